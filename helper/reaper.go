package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// reaper collects all children of this process, adopted ones too, and tells those who wait for one.
type reaper struct {
	mu      sync.Mutex
	waiting map[int]chan syscall.WaitStatus
	// fileBytesMax limits the files of those that are spawned, and not ours: a spool may be larger. 0: no limit.
	fileBytesMax uint64
}

func startReaper() *reaper {
	r := &reaper{waiting: map[int]chan syscall.WaitStatus{}}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGCHLD)
	go func() {
		for range signals {
			r.reap()
		}
	}()
	// Children that died before we listened.
	r.reap()
	return r
}

// reap collects until nobody is left: one SIGCHLD may stand for several children.
func (r *reaper) reap() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if waiting := r.waiting[pid]; waiting != nil {
			delete(r.waiting, pid)
			waiting <- status
		}
	}
}

// spawn starts a process; the channel gets how it ended. Nothing is reaped meanwhile, so an early end is not missed.
func (r *reaper) spawn(path string, argv []string, attr *syscall.ProcAttr) (int, <-chan syscall.WaitStatus, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer lowerFileLimit(r.fileBytesMax)()
	pid, err := syscall.ForkExec(path, argv, attr)
	if err != nil {
		return 0, nil, err
	}
	ended := make(chan syscall.WaitStatus, 1)
	r.waiting[pid] = ended
	return pid, ended, nil
}

// lowerFileLimit lowers what children inherit, until the function it returns is called. The hard limit stays, since we
// could not raise it again: this guards against accidents, while the disk is guarded from outside.
func lowerFileLimit(bytesMax uint64) (restore func()) {
	var before syscall.Rlimit
	if bytesMax == 0 || syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before) != nil || uint64(before.Cur) <= bytesMax {
		return func() {}
	}
	lowered := syscall.Rlimit{Cur: bytesMax, Max: before.Max}
	_ = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &lowered)
	return func() { _ = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before) }
}
