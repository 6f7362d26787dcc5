package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
)

// A spool is a directory of files through which a step, its supervisor and any number of followers meet:
//
//	lock      held (flock) by the supervisor while it lives, and by the one who is about to start it; in it the value of
//	          SLIPWAY_STEP in the step's processes, as making a file costs more than everything else here
//	out       the output
//	started   made just before the step's main process; then in it "pid starttime" of that
//	released  offset before which `out` may be forgotten, 8 bytes big-endian
//	killed    made by kill: a step that starts later dies at once
//	exit      the exit as JSON, made by rename
//	trouble   what the supervisor wrote to stderr, that is, its panic
type spool struct{ path string }

var stepIDPattern = regexp.MustCompile(`^[A-Za-z0-9-]{1,128}$`)

func openSpool(req *request) (*spool, error) {
	if !stepIDPattern.MatchString(req.Step) {
		return nil, fail("protocol", "step id %q: only letters, digits and - are allowed", req.Step)
	}
	if req.Dir == "" {
		return nil, fail("protocol", "the request names no private directory")
	}
	return &spool{path: filepath.Join(req.Dir, req.Step)}, nil
}

func (sp *spool) file(name string) string { return sp.path + "/" + name }

func (sp *spool) has(name string) bool {
	_, err := os.Lstat(sp.file(name))
	return err == nil
}

// spoolHandles are open files that pass from the starter to the supervisor.
type spoolHandles struct{ lock, out *os.File }

func (h *spoolHandles) close() {
	h.lock.Close()
	h.out.Close()
}

// claim takes the spool for starting the step in it; nil when it was started before, or somebody else is at it.
func (sp *spool) claim() (*spoolHandles, error) {
	if err := os.MkdirAll(sp.path, 0o700); err != nil {
		return nil, err
	}
	lock, err := sp.tryLock()
	if lock == nil || err != nil {
		return nil, err
	}
	if sp.has("exit") || sp.has("started") {
		lock.Close()
		return nil, nil
	}
	marker := filepath.Base(sp.path) + "-" + randomHex(8)
	_, err = lock.WriteAt([]byte(marker), 0)
	var out *os.File
	if err == nil {
		out, err = os.OpenFile(sp.file("out"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	}
	if err != nil {
		lock.Close()
		return nil, err
	}
	return &spoolHandles{lock: lock, out: out}, nil
}

// tryLock returns the locked file, or nil when another holds it.
func (sp *spool) tryLock() (*os.File, error) {
	lock, err := os.OpenFile(sp.file("lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(lock); err != nil {
		lock.Close()
		if err == syscall.EWOULDBLOCK {
			return nil, nil
		}
		return nil, err
	}
	return lock, nil
}

func flock(file *os.File) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var lockErr error
	err = raw.Control(func(fd uintptr) {
		for lockErr = syscall.EINTR; lockErr == syscall.EINTR; {
			lockErr = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB)
		}
	})
	if err != nil {
		return err
	}
	return lockErr
}

func (sp *spool) isSupervised() bool {
	lock, err := sp.tryLock()
	if err != nil {
		return false
	}
	if lock == nil {
		return true
	}
	lock.Close()
	return false
}

func (sp *spool) marker() string {
	marker, _ := os.ReadFile(sp.file("lock"))
	return string(marker)
}

type exitStatus struct {
	Kind    string `json:"kind"`
	Code    *int   `json:"code,omitempty"`
	Signal  string `json:"signal,omitempty"`
	Message string `json:"message,omitempty"`
}

// exit returns nil while the step has not ended.
func (sp *spool) exit() (*exitStatus, error) {
	text, err := os.ReadFile(sp.file("exit"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var exit exitStatus
	if err := json.Unmarshal(bytes.TrimRight(text, " "), &exit); err != nil {
		return nil, err
	}
	return &exit, nil
}

const exitBytes = 4096

// reserveExit takes the space of the exit file now: a step may end because the disk is full.
func (sp *spool) reserveExit() error {
	return os.WriteFile(sp.file("exit.new"), bytes.Repeat([]byte{' '}, exitBytes), 0o600)
}

func (sp *spool) saveExit(exit *exitStatus) error {
	if len(exit.Message) > exitBytes/8 {
		exit.Message = exit.Message[:exitBytes/8] // JSON escapes one byte into six at most.
	}
	text, err := json.Marshal(exit)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(sp.file("exit.new"), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.WriteAt(text, 0); err != nil {
		return err
	}
	return os.Rename(sp.file("exit.new"), sp.file("exit"))
}

func (sp *spool) trouble() string {
	text, _ := os.ReadFile(sp.file("trouble"))
	if len(text) > 400 {
		text = text[:400]
	}
	return strings.TrimSpace(string(text))
}

func (sp *spool) released() int64 {
	file, err := os.Open(sp.file("released"))
	if err != nil {
		return 0
	}
	defer file.Close()
	var offset [8]byte
	if n, _ := file.ReadAt(offset[:], 0); n < len(offset) {
		return 0
	}
	return int64(binary.BigEndian.Uint64(offset[:]))
}

// releaser records what a follower acknowledges and gives the space back.
type releaser struct {
	sp *spool
	// released tells a supervisor of this process.
	released func()
	mu       sync.Mutex
	punched  int64
}

const (
	punchBytesMin          = 4 << 20
	punchAlignment         = 4096
	fallocateKeepSize      = 1
	fallocatePunchHole     = 2
	releasedFileMode       = 0o600
	releasedFlags          = os.O_WRONLY | os.O_CREATE
	releasedBytes          = 8
	punchFlags         int = fallocateKeepSize | fallocatePunchHole
)

func (r *releaser) release(offset int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	info, err := os.Stat(r.sp.file("out"))
	if err != nil {
		return err
	}
	if offset > info.Size() {
		return fail("protocol", "offset %d was acknowledged and the output has %d bytes", offset, info.Size())
	}
	if offset <= r.sp.released() {
		return nil
	}
	if end := offset / punchAlignment * punchAlignment; end-r.punched >= punchBytesMin {
		out, err := os.OpenFile(r.sp.file("out"), os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		// A file system that cannot do it keeps the bytes until the pod is removed.
		_ = withFd(out, func(fd int) error { return syscall.Fallocate(fd, uint32(punchFlags), r.punched, end-r.punched) })
		out.Close()
		r.punched = end
	}
	file, err := os.OpenFile(r.sp.file("released"), releasedFlags, releasedFileMode)
	if err != nil {
		return err
	}
	defer file.Close()
	var encoded [releasedBytes]byte
	binary.BigEndian.PutUint64(encoded[:], uint64(offset))
	if _, err = file.WriteAt(encoded[:], 0); err == nil {
		r.released()
	}
	return err
}

// withFd lends the descriptor without taking the file from the runtime's poller, as Fd() would.
func withFd(file *os.File, use func(fd int) error) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var useErr error
	if err := raw.Control(func(fd uintptr) { useErr = use(int(fd)) }); err != nil {
		return err
	}
	return useErr
}
