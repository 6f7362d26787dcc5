package main

import (
	"syscall"
	"unsafe"
)

// The package syscall applies setgroups to all threads; these act on the calling thread only.

func setThreadGroups(groups []uint32) error {
	var first unsafe.Pointer
	if len(groups) > 0 {
		first = unsafe.Pointer(&groups[0])
	}
	if _, _, errno := syscall.RawSyscall(sysSetgroups, uintptr(len(groups)), uintptr(first), 0); errno != 0 {
		return errno
	}
	return nil
}

// setThreadFsuid returns the uid before; -1 changes nothing.
func setThreadFsuid(uid int) int {
	before, _, _ := syscall.RawSyscall(sysSetfsuid, uintptr(uint32(uid)), 0, 0)
	return int(int32(before))
}

// setThreadFsgid returns the gid before; -1 changes nothing.
func setThreadFsgid(gid int) int {
	before, _, _ := syscall.RawSyscall(sysSetfsgid, uintptr(uint32(gid)), 0, 0)
	return int(int32(before))
}
