package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// A supervisor owns a step from its start to its exit file: it holds the other end of the step's output, writes the
// spool, and needs no connection. It is a process of its own (docker, where each request is a process that ends with its
// connection) or a goroutine of init.

const (
	superviseVerb = "supervise"
	// Descriptors that a supervisor process inherits.
	inheritedRequest = 3
	inheritedLock    = 4
	inheritedOut     = 5

	outputPipeBytes  = 1 << 20
	outputReadBytes  = 256 << 10
	fcntlSetPipeSize = 1031

	// A step ends when its main process ends. Output that others still hold open is waited for as long as it keeps coming,
	// within these bounds: `exec > >(tee log)` loses nothing, a daemon delays the end by a moment.
	drainQuiet    = 250 * time.Millisecond
	drainMax      = 2 * time.Second
	drainBytesMax = 16 << 20

	// diskFullMax is how long a step waits for space to keep its output.
	diskFullMax   = 60 * time.Second
	diskFullRetry = 200 * time.Millisecond
)

type supervisedRequest struct {
	Request *request `json:"request"`
	Spool   string   `json:"spool"`
}

// startSupervisor starts the supervisor of a step as a process that outlives this one.
func startSupervisor(req *request, sp *spool, handles *spoolHandles) error {
	defer handles.close()
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	trouble, err := os.OpenFile(sp.file("trouble"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer trouble.Close()
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	defer reader.Close()
	defer writer.Close()
	_, err = os.StartProcess("/proc/self/exe", []string{"slipway-pod", superviseVerb}, &os.ProcAttr{
		Env:   os.Environ(),
		Files: []*os.File{null, null, trouble, reader, handles.lock, handles.out},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return fmt.Errorf("start the step's supervisor: %w", err)
	}
	// A supervisor that gets only half of it (we are killed now) ends, and the step may be started again.
	return json.NewEncoder(writer).Encode(supervisedRequest{req, sp.path})
}

func superviseInherited() int {
	var supervised supervisedRequest
	input := os.NewFile(inheritedRequest, "request")
	if err := json.NewDecoder(input).Decode(&supervised); err != nil {
		return 1
	}
	input.Close()
	// Processes of the step that lose their parent become our children: kill finds them all.
	becomeSubreaper()
	handles := &spoolHandles{lock: os.NewFile(inheritedLock, "lock"), out: os.NewFile(inheritedOut, "out")}
	sp := &spool{path: supervised.Spool}
	released := newBell()
	sup := &supervisor{req: supervised.Request, sp: sp, out: handles.out, children: startReaper(), changed: func() {}}
	sup.isOnly = func() bool { return true }
	sup.untilReleased = func() (*bell, func()) {
		return released, released.ringOnChanges(watch{sp.path, syscall.IN_MODIFY | syscall.IN_CREATE})
	}
	sup.supervise()
	handles.close()
	return 0
}

type supervisor struct {
	req      *request
	sp       *spool
	out      *os.File
	children *reaper
	limits   []string
	// changed tells followers of this process that there is more.
	changed func()
	// isOnly tells whether children of this process that nobody knows may be killed with the step.
	isOnly func() bool
	// untilReleased gives a bell that rings when a follower acknowledges.
	untilReleased func() (*bell, func())

	who        *identity
	scriptPath string
	hasEnded   atomicFlag
	trouble    error
}

type atomicFlag struct{ value int32 }

func (f *atomicFlag) set()        { atomic.StoreInt32(&f.value, 1) }
func (f *atomicFlag) isSet() bool { return atomic.LoadInt32(&f.value) == 1 }

// supervise runs the step and leaves its exit in the spool.
func (s *supervisor) supervise() {
	exit := s.runStep()
	if s.scriptPath != "" {
		_ = s.who.do(func() error { return os.Remove(s.scriptPath) })
	}
	if err := s.sp.saveExit(exit); err != nil {
		fmt.Fprintln(os.Stderr, "save the exit of the step:", err)
	}
	s.changed()
}

func refused(err error) *exitStatus { return &exitStatus{Kind: "refused", Message: err.Error()} }

func (s *supervisor) runStep() *exitStatus {
	if err := s.sp.reserveExit(); err != nil {
		return &exitStatus{Kind: "lost", Message: "the pod's private directory cannot be written: " + err.Error()}
	}
	path, argv, attr, err := s.prepare()
	if err != nil {
		return refused(err)
	}
	source, slave, childFiles, err := s.openOutput()
	if err != nil {
		return refused(err)
	}
	defer source.Close()
	attr.Files = childFiles
	attr.Sys = &syscall.SysProcAttr{Setsid: true, Credential: s.who.credential()}
	if s.req.TTY {
		attr.Sys.Setctty = true
		attr.Sys.Ctty = 0
	}
	if len(s.limits) > 0 {
		argv = append(append([]string{"slipway-pod", limitedVerb}, append(s.limits, "--", path)...), argv...)
		path = "/proc/self/exe"
	}

	if err := os.WriteFile(s.sp.file("started"), nil, 0o600); err != nil {
		return refused(err)
	}
	killsBefore := countOutOfMemoryKills()
	pid, ended, err := s.children.spawn(path, argv, attr)
	s.closeChildFiles(childFiles, slave)
	if err != nil {
		if slave >= 0 {
			syscall.Close(slave)
		}
		return refused(explainExec(err, s.req.Argv[0]))
	}
	_ = os.WriteFile(s.sp.file("started"), []byte(fmt.Sprintf("%d %s", pid, startTimeOf(pid))), 0o600)
	if s.sp.has("killed") {
		killStep(s.sp, syscall.SIGKILL, s.isOnly)
	}

	stopFeeding, fed := make(chan struct{}), make(chan struct{})
	if slave >= 0 {
		go func() {
			feedEndOfInput(source, slave, stopFeeding)
			close(fed)
		}()
	}
	read := make(chan struct{})
	go func() {
		s.spoolOutput(source)
		close(read)
	}()

	status := <-ended
	s.hasEnded.set()
	if slave >= 0 {
		close(stopFeeding)
		<-fed
		// Without ours, the terminal ends when the last of the step's processes closes it.
		syscall.Close(slave)
	}
	_ = source.SetReadDeadline(time.Now().Add(drainQuiet))
	<-read
	if s.trouble != nil {
		return &exitStatus{Kind: "lost", Message: "the step's output could not be kept: " + s.trouble.Error()}
	}
	return exitOf(status, countOutOfMemoryKills() > killsBefore)
}

func (s *supervisor) closeChildFiles(files []uintptr, slave int) {
	closed := map[uintptr]bool{}
	for _, fd := range files {
		if int(fd) != slave && !closed[fd] {
			syscall.Close(int(fd))
			closed[fd] = true
		}
	}
}

// exitOf tells how the main process ended. A shell reports a child that was killed as 128 + 9.
func exitOf(status syscall.WaitStatus, hadOutOfMemoryKill bool) *exitStatus {
	if status.Signaled() {
		if status.Signal() == syscall.SIGKILL && hadOutOfMemoryKill {
			return &exitStatus{Kind: "out_of_memory"}
		}
		return &exitStatus{Kind: "signaled", Signal: signalName(status.Signal())}
	}
	code := status.ExitStatus()
	if code == 128+int(syscall.SIGKILL) && hadOutOfMemoryKill {
		return &exitStatus{Kind: "out_of_memory"}
	}
	return &exitStatus{Kind: "exited", Code: &code}
}

// prepare makes directories and script as the step's user, and says what to execute.
func (s *supervisor) prepare() (string, []string, *syscall.ProcAttr, error) {
	if len(s.req.Argv) == 0 || s.req.Argv[0] == "" {
		return "", nil, nil, errors.New("the step has no command")
	}
	base := *s.req
	base.WorkingDir = ""
	sc, err := newScope(&base)
	if err != nil {
		return "", nil, nil, err
	}
	s.who = sc.who
	workingDir, err := sc.expand(s.req.WorkingDir)
	if err != nil {
		return "", nil, nil, err
	}
	if _, isSet := sc.variables["TERM"]; s.req.TTY && !isSet {
		sc.variables["TERM"] = "xterm-256color"
	}
	sc.variables[markerVariable] = s.sp.marker()
	if _, isAsked := s.req.Environment["PWD"]; !isAsked {
		sc.variables["PWD"] = workingDir
	}

	argv := append([]string{}, s.req.Argv...)
	path := ""
	err = sc.who.do(func() error {
		for _, dir := range s.req.CreateDirs {
			expanded, err := sc.expand(dir)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(expanded, 0o755); err != nil {
				return fmt.Errorf("create directory %q: %w", expanded, causeOf(err))
			}
		}
		info, err := os.Stat(workingDir)
		if err != nil {
			return fmt.Errorf("change to working directory %q: %w", workingDir, causeOf(err))
		}
		if !info.IsDir() {
			return fmt.Errorf("change to working directory %q: it is not a directory", workingDir)
		}
		if path, err = findExecutable(argv[0], sc.variables["PATH"], workingDir); err != nil {
			return err
		}
		if s.req.Script != nil {
			if s.scriptPath, err = writeScript(*s.req.Script, sc.variables); err != nil {
				return err
			}
			argv = append(argv, s.scriptPath)
		}
		return nil
	})
	if err != nil {
		return "", nil, nil, err
	}
	return path, argv, &syscall.ProcAttr{Dir: workingDir, Env: entriesOf(sc.variables)}, nil
}

// findExecutable looks name up as a shell would, but never in the current directory.
func findExecutable(name, path, workingDir string) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(workingDir, name)
		}
		return name, checkExecutable(name)
	}
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue
		}
		if candidate := filepath.Join(dir, name); checkExecutable(candidate) == nil {
			return candidate, nil
		}
	}
	return "", fmt.Errorf("there is no executable %q in PATH (%s)", name, path)
}

func checkExecutable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("execute %q: %w", path, causeOf(err))
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return fmt.Errorf("execute %q: it is not an executable file", path)
	}
	return nil
}

func explainExec(err error, name string) error {
	switch err {
	case syscall.ENOENT:
		return fmt.Errorf("execute %q: its interpreter is missing in the pod", name)
	case syscall.ENOEXEC:
		return fmt.Errorf("execute %q: it is no program for this machine, or a script without #! line", name)
	case syscall.E2BIG:
		return fmt.Errorf("execute %q: environment and arguments are larger than the kernel allows", name)
	case syscall.EINVAL:
		return fmt.Errorf("execute %q: argument or environment variable with a NUL byte", name)
	}
	return fmt.Errorf("execute %q: %w", name, err)
}

// writeScript makes the private file of the step's script in TMPDIR, else /tmp, else the home.
func writeScript(text string, variables map[string]string) (string, error) {
	var firstErr error
	for _, dir := range []string{variables["TMPDIR"], "/tmp", variables["HOME"]} {
		if !filepath.IsAbs(dir) {
			continue
		}
		path := filepath.Join(dir, "slipway-script-"+randomHex(8))
		// Images without anything have no /tmp. That it cannot be made shows when the file is.
		_ = os.MkdirAll(dir, 0o755)
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			_, err = io.WriteString(file, text)
			if closeErr := file.Close(); err == nil {
				err = closeErr
			}
			if err == nil {
				return path, nil
			}
			_ = os.Remove(path)
		}
		if firstErr == nil {
			firstErr = fmt.Errorf("write the step's script in %q: %w", dir, causeOf(err))
		}
	}
	return "", firstErr
}

// openOutput makes what the step writes to: a pseudo terminal, or one pipe for both streams, which keeps their order.
// The slave is -1 without terminal.
func (s *supervisor) openOutput() (source *os.File, slave int, childFiles []uintptr, err error) {
	if s.req.TTY {
		err = s.who.do(func() error {
			source, slave, err = openPty()
			return err
		})
		if err != nil {
			return nil, -1, nil, err
		}
		fd := uintptr(slave)
		return source, slave, []uintptr{fd, fd, fd}, nil
	}
	null, err := syscall.Open("/dev/null", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, -1, nil, fmt.Errorf("open /dev/null: %w", err)
	}
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		syscall.Close(null)
		return nil, -1, nil, err
	}
	// More room means fewer wakes; users have a quota of it, so it may fail.
	_, _, _ = syscall.Syscall(syscall.SYS_FCNTL, uintptr(ends[0]), fcntlSetPipeSize, outputPipeBytes)
	if s.who.isSwitched {
		// Programs that open /dev/stdout by name need it to be theirs.
		_ = syscall.Fchown(ends[1], s.who.uid, s.who.gid)
	}
	_ = syscall.SetNonblock(ends[0], true)
	return os.NewFile(uintptr(ends[0]), "output"), -1, []uintptr{uintptr(null), uintptr(ends[1]), uintptr(ends[1])}, nil
}

// spoolOutput copies until the output ends, or the step has ended and it is quiet.
func (s *supervisor) spoolOutput(source *os.File) {
	buffer := make([]byte, outputReadBytes)
	var written, released int64
	var drainUntil time.Time
	drained := 0
	for {
		if written-released > s.req.SpoolBytesMax && s.req.SpoolBytesMax > 0 && !s.hasEnded.isSet() {
			released = s.waitForRelease(written)
		}
		n, err := readAvailable(source, buffer)
		if n > 0 {
			if writeErr := s.keep(buffer[:n]); writeErr != nil {
				s.trouble = writeErr
				killStep(s.sp, syscall.SIGKILL, s.isOnly)
				return
			}
			written += int64(n)
			s.changed()
		}
		if err != nil {
			return // The end of a pipe, EIO of a terminal, or quiet.
		}
		if s.hasEnded.isSet() {
			if drainUntil.IsZero() {
				drainUntil = time.Now().Add(drainMax)
			}
			deadline := time.Now().Add(drainQuiet)
			if drained += n; deadline.After(drainUntil) {
				deadline = drainUntil
			}
			if drained > drainBytesMax {
				return
			}
			_ = source.SetReadDeadline(deadline)
		}
	}
}

// readAvailable waits until there is something and takes all there is, up to the size of the buffer: a terminal gives at
// most 4 KiB at once, and each of them would be written and told of alone.
func readAvailable(source *os.File, buffer []byte) (filled int, err error) {
	raw, err := source.SyscallConn()
	if err != nil {
		return 0, err
	}
	waitErr := raw.Read(func(fd uintptr) bool {
		for filled < len(buffer) {
			n, readErr := syscall.Read(int(fd), buffer[filled:])
			switch {
			case readErr == syscall.EINTR:
			case readErr == syscall.EAGAIN:
				return filled > 0
			case readErr != nil:
				err = readErr
				return true
			case n == 0:
				err = io.EOF
				return true
			default:
				filled += n
			}
		}
		return true
	})
	if err == nil {
		err = waitErr
	}
	return filled, err
}

// waitForRelease slows the step: it returns when the spool has room again, or the step has ended.
func (s *supervisor) waitForRelease(written int64) int64 {
	releases, stop := s.untilReleased()
	defer stop()
	ticker := time.NewTicker(diskFullRetry)
	defer ticker.Stop()
	for {
		changed := releases.wait()
		released := s.sp.released()
		if written-released <= s.req.SpoolBytesMax || s.hasEnded.isSet() {
			return released
		}
		select {
		case <-changed:
		case <-ticker.C: // Nothing rings when the step ends.
		}
	}
}

func (s *supervisor) keep(data []byte) error {
	giveUpAt := time.Now().Add(diskFullMax)
	for len(data) > 0 {
		n, err := s.out.Write(data)
		data = data[n:]
		// EFBIG: the limit of a step's files is ours for the moment in which one is started (reaper.go).
		isFull := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
		if err == nil {
			continue
		}
		if !isFull || time.Now().After(giveUpAt) {
			return causeOf(err)
		}
		time.Sleep(diskFullRetry)
	}
	return nil
}

func randomHex(bytes int) string {
	random := make([]byte, bytes)
	if _, err := rand.Read(random); err != nil {
		panic(err) // The kernel has no randomness: nothing can be trusted.
	}
	return hex.EncodeToString(random)
}
