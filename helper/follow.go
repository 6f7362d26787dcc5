package main

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

type followAnswer struct {
	Exit *exitStatus `json:"exit"`
}

// startAttemptsMax bounds how often run takes over from a starter that died before the step had begun, or waits for one
// that is at it.
const (
	startAttemptsMax = 100
	startRetry       = 5 * time.Millisecond
)

// recheckInterval is the net under the wakes: how late a lost one, or a dead supervisor, is seen.
const recheckInterval = time.Second

var errNotStarted = errors.New("the step was not started")

func (s *server) run(conn *connection, req *request) (any, error) {
	sp, err := openSpool(req)
	if err != nil {
		return nil, err
	}
	var gone <-chan error
	for attempt := 0; attempt < startAttemptsMax; attempt++ {
		if attempt > 0 {
			time.Sleep(startRetry)
		}
		handles, err := sp.claim()
		if err != nil {
			return nil, err
		}
		if handles != nil {
			if err := s.starter(req, sp, handles); err != nil {
				return nil, err
			}
		}
		if gone == nil {
			if err := conn.write('H', nil); err != nil {
				return nil, errCut
			}
			gone = s.acknowledgements(conn, sp)
		}
		answer, err := s.followSpool(conn, sp, req.Offset, gone)
		if err != errNotStarted {
			return answer, err
		}
	}
	return nil, fail("failed", "the step's supervisor could not be started: %s", sp.trouble())
}

func (s *server) follow(conn *connection, req *request) (any, error) {
	sp, err := openSpool(req)
	if err != nil {
		return nil, err
	}
	noStep := fail("no_step", "there is no step %q in the pod", req.Step)
	if !sp.has("out") || (!sp.has("started") && !sp.has("exit") && !sp.isSupervised()) {
		return nil, noStep
	}
	if err := conn.write('H', nil); err != nil {
		return nil, errCut
	}
	answer, err := s.followSpool(conn, sp, req.Offset, s.acknowledgements(conn, sp))
	if err == errNotStarted {
		err = noStep
	}
	return answer, err
}

// followSpool sends the output from offset until the step has ended and all is sent.
// gone says that the connection has ended.
func (s *server) followSpool(conn *connection, sp *spool, offset int64, gone <-chan error) (any, error) {
	if released := sp.released(); offset < released {
		return nil, fail("forgotten", "output from offset %d was asked for and is forgotten up to %d", offset, released)
	}
	out, err := os.Open(sp.file("out"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, errNotStarted
	}
	if err != nil {
		return nil, err
	}
	defer out.Close()

	changes := newBell()
	if s.bells != nil {
		changes = s.bells.of(sp)
	} else {
		// The supervisor holds `out` open as long as it lives: that it is closed tells of its death, too.
		defer changes.ringOnChanges(
			watch{sp.file("out"), syscall.IN_MODIFY | syscall.IN_CLOSE_WRITE},
			watch{sp.path, syscall.IN_MOVED_TO},
		)()
	}

	buffer := make([]byte, frameHeader+outputFrameBytes)
	recheck := time.NewTimer(recheckInterval)
	defer recheck.Stop()
	for {
		// All of these before reading: what happens after them belongs to the next round.
		changed := changes.wait()
		exit, err := sp.exit()
		if err != nil {
			return nil, err
		}
		isSupervised := exit != nil || sp.isSupervised()
		isStarted := sp.has("started")
		if exit == nil && !isSupervised {
			// It may have ended between the two looks.
			if exit, err = sp.exit(); err != nil {
				return nil, err
			}
		}
		for {
			n, err := out.ReadAt(buffer[frameHeader:], offset)
			if n > 0 {
				if conn.writeFrame('O', buffer[:frameHeader+n]) != nil {
					return nil, errCut
				}
				offset += int64(n)
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				return nil, err
			}
			select {
			case err := <-gone:
				return nil, err
			default:
			}
		}
		switch {
		case exit != nil:
			return followAnswer{exit}, nil
		case !isSupervised && !isStarted:
			return nil, errNotStarted
		case !isSupervised:
			message := "the step's supervisor died"
			if trouble := sp.trouble(); trouble != "" {
				message += ": " + trouble
			}
			return followAnswer{&exitStatus{Kind: "lost", Message: message}}, nil
		}
		recheck.Reset(recheckInterval)
		select {
		case <-changed:
		case <-recheck.C:
		case err := <-gone:
			return nil, err
		}
	}
}

// acknowledgements begins to take what the other side acknowledges; the channel gets why that has ended.
func (s *server) acknowledgements(conn *connection, sp *spool) <-chan error {
	released := func() {}
	if s.bells != nil {
		released = s.bells.of(sp).ring
	}
	gone := make(chan error, 1)
	go func() { gone <- receiveAcknowledgements(conn, &releaser{sp: sp, released: released}) }()
	return gone
}

// receiveAcknowledgements returns when the connection has ended (errCut) or something is wrong.
func receiveAcknowledgements(conn *connection, released *releaser) error {
	for {
		kind, payload, err := conn.readFrame()
		if err != nil {
			return err
		}
		if kind != 'A' || len(payload) != 8 {
			return fail("protocol", "a frame of type %q with %d bytes where an offset was expected", kind, len(payload))
		}
		if err := released.release(int64(binary.BigEndian.Uint64(payload))); err != nil {
			return err
		}
	}
}
