package limits

import (
	"context"
	"fmt"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Metered implements Machine: only apps of the store are told by Windows.
func (System) Metered(context.Context) Answer { return Unknown }

// powerStatus is SYSTEM_POWER_STATUS.
type powerStatus struct {
	line, flag, percent, saver byte
	left, full                 uint32
}

// Power implements Machine.
func (System) Power(context.Context) Power {
	power := Power{Percent: -1}
	var status powerStatus
	call := windows.NewLazySystemDLL("kernel32.dll").NewProc("GetSystemPowerStatus")
	if ok, _, _ := call.Call(uintptr(unsafe.Pointer(&status))); ok == 0 {
		return power
	}
	switch status.line {
	case 0:
		power.OnBattery = Yes
	case 1:
		power.OnBattery = No
	}
	if status.percent <= 100 { // 255 is "not known"
		power.Percent = int(status.percent)
	}
	return power
}

func diskOf(folder string) (Disk, error) {
	name, err := windows.UTF16PtrFromString(folder)
	if err != nil {
		return Disk{}, fmt.Errorf("limits: asking for the room of %s: %w", folder, err)
	}
	var free, total uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, &total, nil); err != nil {
		return Disk{}, fmt.Errorf("limits: asking for the room of %s: %w", folder, err)
	}
	return Disk{Free: int64(free), Total: int64(total)}, nil
}
