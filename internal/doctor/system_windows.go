package doctor

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// memoryStatus is MEMORYSTATUSEX.
type memoryStatus struct {
	length, load                                                       uint32
	total, available, pageTotal, page, virtualTotal, virtual, extended uint64
}

// SystemLimits asks the system. Windows bounds no number of open files that would matter.
func SystemLimits() (l Limits) {
	status := memoryStatus{length: uint32(unsafe.Sizeof(memoryStatus{}))}
	call := windows.NewLazySystemDLL("kernel32.dll").NewProc("GlobalMemoryStatusEx")
	if ok, _, _ := call.Call(uintptr(unsafe.Pointer(&status))); ok != 0 {
		l.Memory = status.pageTotal // what may be committed in all, with the page file
	}
	return l
}
