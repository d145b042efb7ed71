package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"strings"
)

// ticksPerSecond is the unit of times in /proc: 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// cpu is the user and system time of a process in seconds; NaN if there is none.
func cpu(pid int) float64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return math.NaN()
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // the name before it may hold anything
	var user, system float64
	fmt.Sscan(fields[11], &user)
	fmt.Sscan(fields[12], &system)
	return (user + system) / ticksPerSecond
}

// residentKiB is the resident memory of a process in KiB; NaN if there is none.
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

// descriptors is how many a process has open; NaN if there is none.
func descriptors(pid int) float64 {
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return math.NaN()
	}
	return float64(len(open))
}
