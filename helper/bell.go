package main

import (
	"os"
	"sync"
	"syscall"
	"time"
)

// bell wakes everybody who waits. Take next() before looking, then wait on it: a ring in between is not missed.
type bell struct {
	mu   sync.Mutex
	next chan struct{}
}

func newBell() *bell { return &bell{next: make(chan struct{})} }

func (b *bell) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.next
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.next)
	b.next = make(chan struct{})
}

// bells are those of the spools of this process, by path.
type bells struct {
	mu    sync.Mutex
	bySpl map[string]*bell
}

func newBells() *bells { return &bells{bySpl: map[string]*bell{}} }

func (bs *bells) of(sp *spool) *bell {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	found := bs.bySpl[sp.path]
	if found == nil {
		found = newBell()
		bs.bySpl[sp.path] = found
	}
	return found
}

// watch is one path and the inotify events on it that ring.
type watch struct {
	path string
	mask uint32
}

// pollInterval is how often it rings where inotify cannot be had (too many instances of this user).
const pollInterval = 10 * time.Millisecond

// ringOnChanges rings when something happens to the files, until stop is called.
func (b *bell) ringOnChanges(watches ...watch) (stop func()) {
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err == nil {
		for _, w := range watches {
			if _, err = syscall.InotifyAddWatch(fd, w.path, w.mask); err != nil {
				syscall.Close(fd)
				break
			}
		}
	}
	if err != nil {
		ticker := time.NewTicker(pollInterval)
		done := make(chan struct{})
		go func() {
			for {
				select {
				case <-ticker.C:
					b.ring()
				case <-done:
					ticker.Stop()
					return
				}
			}
		}()
		return func() { close(done) }
	}
	events := os.NewFile(uintptr(fd), "inotify")
	go func() {
		buffer := make([]byte, 4096)
		for {
			if _, err := events.Read(buffer); err != nil {
				return
			}
			b.ring()
		}
	}()
	return func() { events.Close() }
}
