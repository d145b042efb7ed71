//go:build linux

package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// family is a process and its children: nginx has workers. It is empty without
// a process, and has no child that is not there yet.
func family(pid int) (pids []int) {
	if pid == 0 {
		return nil
	}
	pids = []int{pid}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		children, _ := os.ReadFile(list)
		for word := range strings.FieldsSeq(string(children)) {
			if child, err := strconv.Atoi(word); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// total is the sum of what all of them have; NaN if there is none.
func total(pids []int, of func(pid int) float64) float64 {
	if len(pids) == 0 {
		return math.NaN()
	}
	sum := 0.0
	for _, pid := range pids {
		sum += of(pid)
	}
	return sum
}

// cpu is the user and system time of a process in seconds. It asks the process's
// own clock: what /proc says is rounded to hundredths, which is much for a
// forwarder that is mostly idle.
func cpu(pid int) float64 {
	const schedulerClock = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedulerClock), &t); err != nil {
		return math.NaN()
	}
	return float64(t.Nano()) / 1e9
}

// residentKiB is the resident memory of a process in KiB.
func residentKiB(pid int) float64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			var kib float64
			fmt.Sscan(value, &kib)
			return kib
		}
	}
	return math.NaN()
}

// descriptors is how many a process has open.
func descriptors(pid int) float64 {
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return math.NaN()
	}
	return float64(len(open))
}
