package main

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	prctlSetDumpable   = 4
	prctlSetSubreaper  = 36
	killRoundsPause    = 5 * time.Millisecond
	killMax            = 5 * time.Second
	environmentReadMax = 4 << 20
)

func prctl(option int, value uintptr) {
	_, _, _ = syscall.RawSyscall6(syscall.SYS_PRCTL, uintptr(option), value, 0, 0, 0, 0)
}

func becomeSubreaper() { prctl(prctlSetSubreaper, 1) }

// process is a line of /proc/PID/stat (proc(5)).
type process struct {
	pid, parent, session int
	state                byte
	startTime            string
}

func readProcess(pid int) (process, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, false
	}
	// The name in parentheses may contain anything.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 20 {
		return process{}, false
	}
	parent, _ := strconv.Atoi(fields[1])
	session, _ := strconv.Atoi(fields[3])
	return process{pid, parent, session, fields[0][0], fields[19]}, true
}

func startTimeOf(pid int) string {
	found, _ := readProcess(pid)
	return found.startTime
}

func listProcesses() []process {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	var found []process
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			if one, ok := readProcess(pid); ok {
				found = append(found, one)
			}
		}
	}
	return found
}

// environmentOfProcess reads what a process was started with. Root without CAP_SYS_PTRACE, as in a container, may not
// read that of another user's process: then the thread takes that user for the moment.
func environmentOfProcess(pid int) []byte {
	path := fmt.Sprintf("/proc/%d/environ", pid)
	text, err := os.ReadFile(path)
	if err == nil || os.Geteuid() != 0 {
		return text
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	owner := info.Sys().(*syscall.Stat_t)
	as := &identity{uid: int(owner.Uid), gid: int(owner.Gid), isSwitched: true}
	_ = as.do(func() error {
		text, _ = os.ReadFile(path)
		return nil
	})
	return text
}

func hasMarker(environment []byte, marker string) bool {
	entry := []byte(markerVariable + "=" + marker)
	return marker != "" && (bytes.HasPrefix(environment, append(entry, 0)) ||
		bytes.Contains(environment, append(append([]byte{0}, entry...), 0)))
}

// processesOf finds everything a step started: its session, the descendants of its main process and of its supervisor
// (who adopts orphans), and, wherever they went, processes with the step's marker in their environment. takesOrphans adds
// those that init or a supervisor has adopted and that carry no marker at all: they have changed session and environment.
func processesOf(sp *spool, takesOrphans bool) []process {
	mainPid, mainStart := 0, ""
	if text, err := os.ReadFile(sp.file("started")); err == nil {
		fmt.Sscanf(string(text), "%d %s", &mainPid, &mainStart)
	}
	marker := sp.marker()
	all := listProcesses()
	adopter := os.Getpid()
	if isRequest() {
		adopter = 1
	}
	supervisor := 0
	for _, one := range all {
		if one.pid == mainPid && one.startTime == mainStart && one.parent > 1 {
			supervisor = one.parent
		} else if one.pid == mainPid && one.startTime != mainStart {
			mainPid = -1 // The number belongs to somebody else now.
		}
	}
	if supervisor == os.Getpid() && os.Getpid() == 1 {
		supervisor = 0 // As pid 1 we are the parent of every step.
	}
	isOf := map[int]bool{}
	for _, one := range all {
		if mainPid > 0 && (one.pid == mainPid || one.session == mainPid) {
			isOf[one.pid] = true
		}
	}
	for _, one := range all {
		if one.pid == os.Getpid() || isOf[one.pid] {
			continue
		}
		environment := environmentOfProcess(one.pid)
		isOrphan := takesOrphans && one.parent == adopter && !isSupervisor(one.pid) &&
			!bytes.Contains(environment, []byte(markerVariable+"="))
		if isOrphan || hasMarker(environment, marker) {
			isOf[one.pid] = true
		}
	}
	for hasGrown := true; hasGrown; {
		hasGrown = false
		for _, one := range all {
			isChild := isOf[one.parent] || supervisor > 1 && one.parent == supervisor && isSupervisor(supervisor)
			if isChild && !isOf[one.pid] {
				isOf[one.pid] = true
				hasGrown = true
			}
		}
	}
	var found []process
	for _, one := range all {
		if isOf[one.pid] && one.pid != 1 && one.pid != os.Getpid() && one.state != 'Z' && one.state != 'X' {
			found = append(found, one)
		}
	}
	return found
}

// isSupervisor guards against taking the children of a stranger for those of the step.
func isSupervisor(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && string(line) == "slipway-pod\x00"+superviseVerb+"\x00"
}

// isRequest tells that this process serves one request and adopts nobody: in its pod pid 1 does.
func isRequest() bool { return len(os.Args) > 1 && os.Args[1] == "request" }

func isInit(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	words := strings.Split(string(line), "\x00")
	return err == nil && len(words) > 1 && path.Base(words[0]) == "slipway-pod" && words[1] == "init"
}

// isOnlyInPod tells that no other step of the pod runs.
func (sp *spool) isOnlyInPod() bool {
	entries, err := os.ReadDir(path.Dir(sp.path))
	if err != nil {
		return false
	}
	for _, entry := range entries {
		other := &spool{path: path.Join(path.Dir(sp.path), entry.Name())}
		if other.path != sp.path && other.has("started") && !other.has("exit") && other.isSupervised() {
			return false
		}
	}
	return true
}

// killStep signals what the step started. With SIGKILL it looks again until nothing is left, since processes may fork
// while it looks; what cannot be killed (uninterruptible sleep) is given up after killMax.
func killStep(sp *spool, signal syscall.Signal, takesOrphans func() bool) {
	for giveUpAt := time.Now().Add(killMax); ; {
		found := processesOf(sp, takesOrphans())
		for _, one := range found {
			_ = syscall.Kill(one.pid, signal)
		}
		if len(found) == 0 || signal != syscall.SIGKILL || time.Now().After(giveUpAt) {
			return
		}
		runtime.Gosched()
		time.Sleep(killRoundsPause)
	}
}

func (s *server) kill(req *request) error {
	sp, err := openSpool(req)
	if err != nil {
		return err
	}
	if !sp.has("out") {
		return fail("no_step", "there is no step %q in the pod", req.Step)
	}
	signal := syscall.SIGKILL
	if req.Signal != "" {
		number, ok := signalNumber(req.Signal)
		if !ok {
			return fail("protocol", "there is no signal %q", req.Signal)
		}
		signal = number
	}
	if signal == syscall.SIGKILL {
		if err := os.WriteFile(sp.file("killed"), nil, 0o600); err != nil {
			return err
		}
	}
	killStep(sp, signal, func() bool {
		if isRequest() {
			return isInit(1) && sp.isOnlyInPod()
		}
		return s.adopts && s.isOnlyRunning(sp)
	})
	return nil
}

var signalNames = map[syscall.Signal]string{
	syscall.SIGHUP: "SIGHUP", syscall.SIGINT: "SIGINT", syscall.SIGQUIT: "SIGQUIT", syscall.SIGILL: "SIGILL",
	syscall.SIGTRAP: "SIGTRAP", syscall.SIGABRT: "SIGABRT", syscall.SIGBUS: "SIGBUS", syscall.SIGFPE: "SIGFPE",
	syscall.SIGKILL: "SIGKILL", syscall.SIGUSR1: "SIGUSR1", syscall.SIGSEGV: "SIGSEGV", syscall.SIGUSR2: "SIGUSR2",
	syscall.SIGPIPE: "SIGPIPE", syscall.SIGALRM: "SIGALRM", syscall.SIGTERM: "SIGTERM", syscall.SIGSTKFLT: "SIGSTKFLT",
	syscall.SIGCHLD: "SIGCHLD", syscall.SIGCONT: "SIGCONT", syscall.SIGSTOP: "SIGSTOP", syscall.SIGTSTP: "SIGTSTP",
	syscall.SIGTTIN: "SIGTTIN", syscall.SIGTTOU: "SIGTTOU", syscall.SIGURG: "SIGURG", syscall.SIGXCPU: "SIGXCPU",
	syscall.SIGXFSZ: "SIGXFSZ", syscall.SIGVTALRM: "SIGVTALRM", syscall.SIGPROF: "SIGPROF", syscall.SIGWINCH: "SIGWINCH",
	syscall.SIGIO: "SIGIO", syscall.SIGPWR: "SIGPWR", syscall.SIGSYS: "SIGSYS",
}

func signalName(signal syscall.Signal) string {
	if name := signalNames[signal]; name != "" {
		return name
	}
	return fmt.Sprintf("SIG%d", int(signal))
}

func signalNumber(name string) (syscall.Signal, bool) {
	for number, known := range signalNames {
		if known == name || known == "SIG"+name {
			return number, true
		}
	}
	return 0, false
}

// countOutOfMemoryKills asks the memory controller of our control group; 0 where it cannot be seen.
func countOutOfMemoryKills() int {
	group := ""
	eachLine("/proc/self/cgroup", 3, func(fields []string) bool {
		if fields[0] == "0" {
			group = fields[2]
		}
		return true
	})
	for _, path := range []string{
		"/sys/fs/cgroup" + group + "/memory.events",
		"/sys/fs/cgroup/memory.events",
		"/sys/fs/cgroup/memory/memory.oom_control",
	} {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for _, line := range strings.Split(string(text), "\n") {
			if value, ok := cutPrefix(line, "oom_kill "); ok {
				count, _ := strconv.Atoi(strings.TrimSpace(value))
				return count
			}
		}
	}
	return 0
}

func cutPrefix(text, prefix string) (string, bool) {
	return strings.TrimPrefix(text, prefix), strings.HasPrefix(text, prefix)
}
