package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"
)

// spawnOrder is a line from the executor. Exactly one of the numbers is set: the sandbox it is about.
type spawnOrder struct {
	Start   int64 `json:"start"`
	Release int64 `json:"release"`
	Forget  int64 `json:"forget"`

	Argv       []string `json:"argv"`
	Errors     string   `json:"errors"`
	PrivateDir string   `json:"privateDir"`
	// Tasks are files of control groups of version 1 in which a thread puts itself.
	Tasks []string `json:"tasks"`
}

// spawnNews is a line to the executor.
type spawnNews struct {
	Created int64  `json:"created,omitempty"`
	Ready   int64  `json:"ready,omitempty"`
	Ended   int64  `json:"ended,omitempty"`
	Monitor int    `json:"monitor,omitempty"`
	Init    int    `json:"init,omitempty"`
	Message string `json:"message,omitempty"`
}

// spawner starts sandboxes for an executor, whose process is so large that forking it takes milliseconds. Sandboxes have
// sessions of their own and need nothing of us once they are ready: they outlive the executor and us.
type spawner struct {
	children *reaper
	outMu    sync.Mutex
	out      *json.Encoder
	mu       sync.Mutex
	starting map[int64]*startingSandbox
}

// startingSandbox is our side of one that is not ready. Bubblewrap tells info the processes it made. Without a byte from
// userns it can make nothing, and it ends when that is closed; the helper prints a line to ready.
type startingSandbox struct {
	info, userns, ready *os.File
}

func runSpawn() int {
	s := &spawner{children: startReaper(), out: json.NewEncoder(os.Stdout), starting: map[int64]*startingSandbox{}}
	orders := json.NewDecoder(bufio.NewReader(os.Stdin))
	for {
		var order spawnOrder
		// The end of the executor is ours.
		if err := orders.Decode(&order); err == io.EOF {
			return 0
		} else if err != nil {
			fmt.Fprintln(os.Stderr, "slipway-pod spawn:", err)
			return 1
		}
		switch {
		case order.Start != 0:
			s.start(&order)
		case order.Release != 0:
			s.release(order.Release)
		case order.Forget != 0:
			s.forget(order.Forget)
		}
	}
}

// tell is not heard when the executor is gone; then its orders end as well.
func (s *spawner) tell(news spawnNews) {
	s.outMu.Lock()
	defer s.outMu.Unlock()
	_ = s.out.Encode(news)
}

func (s *spawner) start(order *spawnOrder) {
	id := order.Start
	if len(order.Argv) == 0 {
		s.tell(spawnNews{Ended: id, Message: "there is nothing to start"})
		return
	}
	files, sandbox, err := openSandboxFiles(order)
	if err != nil {
		s.tell(spawnNews{Ended: id, Message: err.Error()})
		return
	}
	s.mu.Lock()
	s.starting[id] = sandbox
	s.mu.Unlock()
	go onOwnThread(func() {
		defer closeAll(files)
		monitor, ended, err := s.spawn(order, files)
		if err != nil {
			sandbox.info.Close()
			s.forget(id)
			s.tell(spawnNews{Ended: id, Message: err.Error()})
			return
		}
		go s.watch(id, monitor, sandbox.info, ended)
	})
}

// onOwnThread runs act on a thread that ends with it, and nothing else does.
func onOwnThread(act func()) {
	runtime.LockOSThread()
	if syscall.Gettid() != syscall.Getpid() {
		act()
		return // Still locked: then the runtime ends the thread.
	}
	// The first thread of a process never ends. While we hold it, another one is taken.
	done := make(chan struct{})
	go func() {
		defer close(done)
		onOwnThread(act)
	}()
	<-done
	runtime.UnlockOSThread()
}

// openSandboxFiles opens the descriptors of bubblewrap in their places, which sandboxDescriptors in
// src/executor/drivers/host/sandbox.ts names, and our ends of its pipes.
func openSandboxFiles(order *spawnOrder) (files []*os.File, sandbox *startingSandbox, err error) {
	sandbox = &startingSandbox{}
	defer func() {
		if err != nil {
			closeAll(append(files, sandbox.info, sandbox.userns, sandbox.ready))
		}
	}()
	open := func(file *os.File, openErr error) {
		if files = append(files, file); err == nil {
			err = openErr
		}
	}
	infoOut, infoIn, err := openInfoPipe()
	if err != nil {
		return files, sandbox, err
	}
	sandbox.info = infoOut
	readyOut, readyIn, err := os.Pipe()
	if err != nil {
		infoIn.Close()
		return files, sandbox, err
	}
	sandbox.ready = readyOut
	usernsOut, usernsIn, err := os.Pipe()
	if err != nil {
		closeAll([]*os.File{infoIn, readyIn})
		return files, sandbox, err
	}
	sandbox.userns = usernsIn
	open(os.Open("/dev/null"))
	open(readyIn, nil)
	open(os.OpenFile(order.Errors, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600))
	open(infoIn, nil)
	open(usernsOut, nil)
	open(os.OpenFile(order.PrivateDir, os.O_RDONLY|syscall.O_DIRECTORY, 0))
	return files, sandbox, err
}

// openInfoPipe makes a pipe whose writer reads as well: were we killed before reading, bubblewrap would else be killed
// by the pipe and leave its child waiting for ever.
func openInfoPipe() (out, in *os.File, err error) {
	out, writer, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer writer.Close()
	if in, err = os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", writer.Fd()), os.O_RDWR, 0); err != nil {
		out.Close()
		return nil, nil, err
	}
	return out, in, nil
}

func closeAll(files []*os.File) {
	for _, file := range files {
		file.Close() // Of those that were not opened it says so.
	}
}

// spawn puts the calling thread into the control groups and starts bubblewrap from there. Version 1 lets a single thread
// do so at once; for another process the kernel waits for all processors.
func (s *spawner) spawn(order *spawnOrder, files []*os.File) (int, <-chan syscall.WaitStatus, error) {
	for _, path := range order.Tasks {
		if err := os.WriteFile(path, []byte("0"), 0); err != nil {
			return 0, nil, err
		}
	}
	attr := &syscall.ProcAttr{Dir: "/", Env: []string{}, Sys: &syscall.SysProcAttr{Setsid: true}}
	for _, file := range files {
		attr.Files = append(attr.Files, file.Fd())
	}
	return s.children.spawn(order.Argv[0], order.Argv, attr)
}

// watch tells what becomes of a sandbox, until its monitor has ended.
func (s *spawner) watch(id int64, monitor int, info *os.File, ended <-chan syscall.WaitStatus) {
	defer info.Close()
	// Without the whole of it bubblewrap has ended.
	if init := readSandboxInfo(info); init != 0 {
		s.tell(spawnNews{Created: id, Monitor: monitor, Init: init})
	}
	s.tellEnd(id, <-ended)
}

func (s *spawner) tellEnd(id int64, status syscall.WaitStatus) {
	s.forget(id)
	message := fmt.Sprintf("status %d", status.ExitStatus())
	if status.Signaled() {
		message = signalName(status.Signal())
	}
	s.tell(spawnNews{Ended: id, Message: message})
}

// readSandboxInfo returns the first process of the sandbox, 0 when bubblewrap does not tell it.
func readSandboxInfo(from io.Reader) int {
	var info struct {
		ChildPid int `json:"child-pid"`
	}
	if json.NewDecoder(from).Decode(&info) != nil {
		return 0
	}
	return info.ChildPid
}

// release lets bubblewrap go on: the executor has recorded it and written the maps of its user namespace.
func (s *spawner) release(id int64) {
	s.mu.Lock()
	sandbox := s.starting[id]
	s.mu.Unlock()
	if sandbox == nil {
		return
	}
	_, _ = sandbox.userns.Write([]byte("."))
	sandbox.userns.Close()
	go func() {
		// Nothing comes from a sandbox that has ended, which is told elsewhere.
		if n, _ := sandbox.ready.Read(make([]byte, 1)); n > 0 {
			s.tell(spawnNews{Ready: id})
		}
		s.forget(id)
	}()
}

// forget closes the pipes. Idempotent.
func (s *spawner) forget(id int64) {
	s.mu.Lock()
	sandbox := s.starting[id]
	delete(s.starting, id)
	s.mu.Unlock()
	if sandbox != nil {
		closeAll([]*os.File{sandbox.userns, sandbox.ready})
	}
}
