package limits

import (
	"cmp"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// patience is how long a part of the system may take to answer, unless System says otherwise.
const patience = 2 * time.Second

// System is this machine.
type System struct {
	// Root stands before the folders that are read; "" but in tests.
	Root string
	// Bus is the address of the system's D-Bus; "" is the usual one.
	Bus string
	// Patience is how long a part of the system may take to answer; 0 is two seconds.
	Patience time.Duration
}

func (s System) patience() time.Duration { return cmp.Or(s.Patience, patience) }

var _ Machine = System{}

// Disk implements Machine. A folder that is not there yet is judged by the one it will be in.
func (System) Disk(folder string) (Disk, error) {
	for {
		if _, err := os.Stat(folder); err == nil || filepath.Dir(folder) == folder {
			return diskOf(folder)
		}
		folder = filepath.Dir(folder)
	}
}

// powerOf reads the supplies that Linux shows as folders of small files. Batteries of mice and
// the like are not the machine's.
func powerOf(folder string) Power {
	power := Power{Percent: -1}
	supplies, err := os.ReadDir(folder)
	if err != nil {
		return power
	}
	percent, batteries := 0, 0
	for _, supply := range supplies {
		read := func(name string) string {
			data, _ := os.ReadFile(filepath.Join(folder, supply.Name(), name)) // none is as good as empty
			return strings.TrimSpace(string(data))
		}
		switch kind := read("type"); {
		case kind == "Mains" || strings.HasPrefix(kind, "USB"):
			if read("online") == "1" {
				return Power{OnBattery: No, Percent: -1}
			}
		case kind == "Battery" && read("scope") != "Device":
			if status := read("status"); status == "Discharging" {
				power.OnBattery = Yes
			} else if power.OnBattery == Unknown && status != "" {
				power.OnBattery = No
			}
			if n, err := strconv.Atoi(read("capacity")); err == nil {
				percent, batteries = percent+n, batteries+1
			}
		}
	}
	if batteries > 0 {
		power.Percent = percent / batteries
	}
	return power
}

// powerOfText reads what `pmset -g batt` prints on macOS.
func powerOfText(text string) Power {
	power := Power{Percent: -1}
	switch {
	case strings.Contains(text, "'Battery Power'"):
		power.OnBattery = Yes
	case strings.Contains(text, "'AC Power'"):
		power.OnBattery = No
	}
	if before, _, found := strings.Cut(text, "%;"); found {
		at := strings.LastIndexFunc(before, func(r rune) bool { return r < '0' || r > '9' }) + 1
		if n, err := strconv.Atoi(before[at:]); err == nil {
			power.Percent = n
		}
	}
	return power
}
