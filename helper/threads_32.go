//go:build 386 || arm

package main

import "syscall"

// The calls without 32 in their name have ids of 16 bits.
const (
	sysSetgroups = syscall.SYS_SETGROUPS32
	sysSetfsuid  = syscall.SYS_SETFSUID32
	sysSetfsgid  = syscall.SYS_SETFSGID32
)
