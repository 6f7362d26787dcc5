// slipway-pod is the one program of Slipway inside pods: pid 1, starter and keeper of steps, packer and unpacker of files.
// It must run in images that contain nothing else, so it is static and uses only the standard library. What it speaks
// with the executor is docs/helper-protocol.md.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
)

const usage = `usage:
  slipway-pod init [--dir-fd N | --socket-fd N] [--nofile N] [--nproc N] [--fsize BYTES] [--as BYTES]
                      pid 1 of a pod: sleeps and reaps; serves requests on a socket when it is given one
  slipway-pod init --line
                      the same, and answers requests one after another on stdin and stdout
  slipway-pod request one request on stdin and stdout
  slipway-pod spawn   starts sandboxes for an executor, by orders on stdin
  slipway-pod version`

func main() {
	// Written files have the modes that are asked for, whatever the one who started us has set.
	syscall.Umask(0o022)
	// Handlers, not SIG_IGN: ignoring would be inherited by steps. What was written fails with EPIPE or EFBIG instead.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE, syscall.SIGXFSZ)
	keepDescriptors()

	verb := ""
	if len(os.Args) > 1 {
		verb = os.Args[1]
	}
	switch verb {
	case "init":
		os.Exit(runInit(os.Args[2:]))
	case "request":
		os.Exit(serveStdio())
	case "spawn":
		os.Exit(runSpawn())
	case superviseVerb:
		os.Exit(superviseInherited())
	case limitedVerb:
		os.Exit(execLimited(os.Args[2:]))
	case "version", "--version":
		fmt.Printf("slipway-pod, wire %d, linux/%s\n", wireVersion, runtime.GOARCH)
	default:
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
}

// keepDescriptors lets nothing that is started later inherit what we were started with.
func keepDescriptors() {
	const firstOwn = 3
	proc, err := os.Open("/proc/self/fd")
	if err != nil {
		return
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	for _, name := range names {
		if fd, err := strconv.Atoi(name); err == nil && fd >= firstOwn {
			syscall.CloseOnExec(fd)
		}
	}
}
