package main

import (
	"encoding/binary"
	"io"
	"syscall"
)

// serveLine answers requests that come one after another on the same pair of streams. The other side sends the next R only
// when it has seen the S or X of the one before; what it had sent for that one and nobody read is dropped. It returns when
// the input ends, which changes nothing for steps.
func (s *server) serveLine(in io.Reader, out io.Writer) {
	line := newConnection(in, nil)
	var feed *io.PipeWriter
	for {
		kind, payload, err := line.readFrame()
		if kind == 'R' || err != nil {
			if feed != nil {
				feed.Close()
			}
			feed = nil
		}
		if err != nil {
			return
		}
		if kind == 'R' {
			reader, writer := io.Pipe()
			feed = writer
			go func() {
				s.serve(newConnection(reader, out))
				// Frames that come late find a closed pipe instead of blocking the line.
				reader.Close()
			}()
		}
		if feed == nil {
			continue
		}
		header := [frameHeader]byte{kind}
		binary.BigEndian.PutUint32(header[1:], uint32(len(payload)))
		if _, err := feed.Write(append(header[:], payload...)); err != nil {
			feed = nil
		}
	}
}

// superviseBeside runs supervisors as goroutines of this process, for followers that may be other processes.
func (s *server) superviseBeside(children *reaper) func(*request, *spool, *spoolHandles) error {
	return func(req *request, sp *spool, handles *spoolHandles) error {
		s.running.Store(sp.path, true)
		released := newBell()
		sup := &supervisor{req: req, sp: sp, out: handles.out, children: children, changed: func() {}}
		sup.isOnly = func() bool { return s.isOnlyRunning(sp) }
		sup.untilReleased = func() (*bell, func()) {
			return released, released.ringOnChanges(watch{sp.path, syscall.IN_MODIFY | syscall.IN_CREATE})
		}
		go func() {
			sup.supervise()
			s.running.Delete(sp.path)
			handles.close()
		}()
		return nil
	}
}
