package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// socketName is the socket of init in the directory it is given.
const socketName = "s"

// acceptRetry is how long no connection is accepted after one could not be.
const acceptRetry = 20 * time.Millisecond

// resourceLimits are the flags of init that steps get, with the numbers of setrlimit(2). RLIMIT_NPROC is missing in the
// package syscall.
var resourceLimits = []struct {
	flag     string
	resource int
	meaning  string
}{
	{"nofile", syscall.RLIMIT_NOFILE, "open files of each process of a step"},
	{"nproc", 6, "processes of the step's user"},
	{"fsize", syscall.RLIMIT_FSIZE, "bytes of each file a step writes"},
	{"as", syscall.RLIMIT_AS, "bytes of address space of each process of a step"},
}

// endingSignals would end a Go program that does not ask for them.
var endingSignals = []os.Signal{
	syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGILL, syscall.SIGTRAP, syscall.SIGABRT, syscall.SIGBUS,
	syscall.SIGFPE, syscall.SIGUSR1, syscall.SIGSEGV, syscall.SIGUSR2, syscall.SIGALRM, syscall.SIGTERM, syscall.SIGSTKFLT,
	syscall.SIGXCPU, syscall.SIGXFSZ, syscall.SIGVTALRM, syscall.SIGPROF, syscall.SIGIO, syscall.SIGPWR, syscall.SIGSYS,
}

func runInit(args []string) int {
	flags := flag.NewFlagSet("init", flag.ContinueOnError)
	dirFd := flags.Int("dir-fd", -1, "descriptor of the pod's private directory; a socket is made in it")
	socketFd := flags.Int("socket-fd", -1, "descriptor of a listening Unix socket")
	isLine := flags.Bool("line", false, "answer requests one after another on stdin and stdout")
	values := map[string]*uint64{}
	for _, limit := range resourceLimits {
		values[limit.flag] = flags.Uint64(limit.flag, 0, limit.meaning)
	}
	if err := flags.Parse(args); err != nil {
		return 2
	}
	isServing := *dirFd >= 0 || *socketFd >= 0
	stop := make(chan os.Signal, 1)
	if isServing && os.Getpid() == 1 {
		// Steps in the sandbox may have our uid and could end the pod by `kill 1`: whoever made the sandbox kills us.
		signal.Notify(make(chan os.Signal, 1), endingSignals...)
	} else {
		signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	}
	children := startReaper()
	if os.Getpid() != 1 {
		// As pid 1 we adopt orphans anyway.
		becomeSubreaper()
	}

	if isServing {
		// Steps with our uid could open our descriptors through /proc otherwise.
		prctl(prctlSetDumpable, 0)
		srv := &server{bells: newBells(), adopts: true}
		for _, limit := range resourceLimits {
			value := *values[limit.flag]
			switch {
			case value == 0:
			case limit.resource == syscall.RLIMIT_FSIZE:
				children.fileBytesMax = value
			case limit.resource == syscall.RLIMIT_AS || os.Geteuid() != 0:
				// It would count for us as well.
				srv.limits = append(srv.limits, fmt.Sprintf("%s=%d", limit.flag, value))
			default:
				// Inherited by steps, which saves starting ourselves once more for each of them.
				if err := lowerLimit(limit.resource, value); err != nil {
					fmt.Fprintf(os.Stderr, "slipway-pod init: set limit %s: %v\n", limit.flag, err)
					return 1
				}
			}
		}
		srv.starter = srv.superviseHere(children)
		listener, err := srv.listen(*dirFd, *socketFd)
		if err != nil {
			fmt.Fprintln(os.Stderr, "slipway-pod init:", err)
			return 1
		}
		go srv.accept(listener)
		// Whoever started us may connect from now on; nobody has to read it.
		fmt.Println("ready")
	}
	if *isLine {
		prctl(prctlSetDumpable, 0)
		srv := &server{adopts: true}
		srv.starter = srv.superviseBeside(children)
		go srv.serveLine(os.Stdin, os.Stdout)
	}
	<-stop
	return 0
}

// listen makes the socket, or takes over the one that was given.
func (s *server) listen(dirFd, socketFd int) (net.Listener, error) {
	if dirFd >= 0 {
		s.dir = "/proc/self/fd/" + strconv.Itoa(dirFd)
	}
	if socketFd >= 0 {
		file := os.NewFile(uintptr(socketFd), "socket")
		defer file.Close()
		return net.FileListener(file)
	}
	path := s.dir + "/" + socketName
	fresh := path + ".new"
	// One of an init before us: nobody listens on it.
	_ = os.Remove(fresh)
	// Nobody but the owner may connect; the umask acts when the socket is made.
	before := syscall.Umask(0o177)
	defer syscall.Umask(before)
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false)
	// Under its name it is seen only when it listens already, in place of one that nobody listens on any more.
	if err := os.Rename(fresh, path); err != nil {
		listener.Close()
		return nil, err
	}
	return listener, nil
}

func (s *server) accept(listener net.Listener) {
	for {
		socket, err := listener.Accept()
		if err != nil {
			// Out of descriptors, or an aborted connection: those that are open go on.
			time.Sleep(acceptRetry)
			continue
		}
		go func() {
			defer socket.Close()
			conn := newConnection(socket, socket)
			if s.serve(conn) {
				linger(socket, conn)
			}
		}()
	}
}

// superviseHere runs supervisors as goroutines of this process.
func (s *server) superviseHere(children *reaper) func(*request, *spool, *spoolHandles) error {
	return func(req *request, sp *spool, handles *spoolHandles) error {
		s.running.Store(sp.path, true)
		changes := s.bells.of(sp)
		sup := &supervisor{
			req: req, sp: sp, out: handles.out, children: children, limits: s.limits,
			changed:       changes.ring,
			isOnly:        func() bool { return s.isOnlyRunning(sp) },
			untilReleased: func() (*bell, func()) { return changes, func() {} },
		}
		go func() {
			sup.supervise()
			s.running.Delete(sp.path)
			handles.close()
			changes.ring()
		}()
		return nil
	}
}

// isOnlyRunning tells that no other step runs: then orphans that hide where they come from belong to this one, or to
// one before it.
func (s *server) isOnlyRunning(sp *spool) bool {
	isOnly := true
	s.running.Range(func(path, _ any) bool {
		isOnly = isOnly && path == sp.path
		return isOnly
	})
	return isOnly
}

const limitedVerb = "limited"

// execLimited is between init and a step when there are limits: NAME=VALUE... -- PATH ARGV...
func execLimited(args []string) int {
	for len(args) > 0 && args[0] != "--" {
		name, text, _ := strings.Cut(args[0], "=")
		value, err := strconv.ParseUint(text, 10, 64)
		for _, limit := range resourceLimits {
			if limit.flag == name && err == nil {
				err = lowerLimit(limit.resource, value)
			}
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "set limit %s: %v\n", args[0], err)
			return 126
		}
		args = args[1:]
	}
	if len(args) < 3 {
		return 126
	}
	err := syscall.Exec(args[1], args[2:], os.Environ())
	fmt.Fprintln(os.Stderr, explainExec(err, args[1]))
	return 126
}

// lowerLimit never asks for more than the machine allows already, which would be refused.
func lowerLimit(resource int, value uint64) error {
	var current syscall.Rlimit
	if err := syscall.Getrlimit(resource, &current); err != nil {
		return err
	}
	if uint64(current.Max) < value {
		value = uint64(current.Max)
	}
	return syscall.Setrlimit(resource, &syscall.Rlimit{Cur: value, Max: value})
}

// linger lets the other side read the answer before the connection is closed under what it still sends.
func linger(socket net.Conn, conn *connection) {
	if half, ok := socket.(*net.UnixConn); ok {
		_ = half.CloseWrite()
	}
	_ = socket.SetReadDeadline(time.Now().Add(lingerMax))
	_, _ = io.Copy(io.Discard, conn.in)
}
