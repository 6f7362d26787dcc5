package main

import (
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"
)

const (
	ptyRows    = 24
	ptyColumns = 80
	// ioctlGetPeer opens the other end of a pseudo terminal without a path: TIOCGPTPEER, Linux 4.13.
	ioctlGetPeer = 0x5441
	// endOfInput is ^D, the default VEOF.
	endOfInput = 0x04
	pollIn     = 1
	// inputCheckInterval is how soon the next program that reads the terminal sees the end of its input.
	inputCheckInterval = 50 * time.Millisecond
)

// openPty returns both ends; the slave belongs to who calls it, as far as the file system is concerned.
func openPty() (master *os.File, slave int, err error) {
	fd, err := syscall.Open("/dev/ptmx", syscall.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, -1, fmt.Errorf("open /dev/ptmx: %w", err)
	}
	unlocked := int32(0)
	size := [4]uint16{ptyRows, ptyColumns}
	err = ioctl(fd, syscall.TIOCSPTLCK, unsafe.Pointer(&unlocked))
	if err == nil {
		err = ioctl(fd, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
	}
	if err == nil {
		slave, err = openPeer(fd)
	}
	if err != nil {
		syscall.Close(fd)
		return nil, -1, fmt.Errorf("set up a pseudo terminal: %w", err)
	}
	return os.NewFile(uintptr(fd), "pty"), slave, nil
}

func openPeer(master int) (int, error) {
	const flags = syscall.O_RDWR | syscall.O_NOCTTY | syscall.O_CLOEXEC
	slave, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(master), ioctlGetPeer, flags)
	if errno == 0 {
		return int(slave), nil
	}
	number := uint32(0)
	if err := ioctl(master, syscall.TIOCGPTN, unsafe.Pointer(&number)); err != nil {
		return -1, err
	}
	return syscall.Open(fmt.Sprintf("/dev/pts/%d", number), flags, 0)
}

func ioctl(fd int, request uintptr, argument unsafe.Pointer) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), request, uintptr(argument)); errno != 0 {
		return errno
	}
	return nil
}

// feedEndOfInput keeps one end-of-input waiting in the terminal, so that a program that reads it gets an end instead of
// waiting for a person for ever. Each ^D serves one read; nothing tells that it was taken, so the slave is asked now and
// then whether it still has input. A program that reads single keys gets the key ^D.
func feedEndOfInput(master *os.File, slave int, done <-chan struct{}) {
	ticker := time.NewTicker(inputCheckInterval)
	defer ticker.Stop()
	for {
		if !hasInput(slave) {
			_ = withFd(master, func(fd int) error {
				_, err := syscall.Write(fd, []byte{endOfInput})
				return err
			})
		}
		select {
		case <-ticker.C:
		case <-done:
			return
		}
	}
}

func hasInput(fd int) bool {
	entry := struct {
		fd              int32
		events, revents int16
	}{int32(fd), pollIn, 0}
	now := syscall.Timespec{}
	n, _, _ := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&entry)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	return n > 0
}
