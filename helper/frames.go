package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

const (
	wireVersion     = 1
	framePayloadMax = 1 << 20
	frameHeader     = 5
)

// failure is an error with a code for programs: what an X frame carries.
type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (f *failure) Error() string { return f.Message }

func fail(code, format string, args ...any) error {
	return &failure{Code: code, Message: fmt.Sprintf(format, args...)}
}

// errCut says that the connection ended before it should have.
var errCut = errors.New("the connection was cut")

// connection frames one byte stream in each direction. Reading belongs to one goroutine at a time; writing to any.
type connection struct {
	in  *bufio.Reader
	out io.Writer
	mu  sync.Mutex
}

func newConnection(in io.Reader, out io.Writer) *connection {
	return &connection{in: bufio.NewReaderSize(in, 64<<10), out: out}
}

// readHeader returns type and payload length of the next frame; errCut when there is none.
func (c *connection) readHeader() (byte, int, error) {
	var header [frameHeader]byte
	if _, err := io.ReadFull(c.in, header[:]); err != nil {
		return 0, 0, errCut
	}
	length := binary.BigEndian.Uint32(header[1:])
	if length > framePayloadMax {
		return 0, 0, fail("protocol", "a frame of %d bytes is larger than %d", length, framePayloadMax)
	}
	return header[0], int(length), nil
}

func (c *connection) readFrame() (byte, []byte, error) {
	kind, length, err := c.readHeader()
	if err != nil {
		return 0, nil, err
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(c.in, payload); err != nil {
		return 0, nil, errCut
	}
	return kind, payload, nil
}

// writeFrame sends the payload that begins at buffer[frameHeader:]; the header is put before it, so that one system call
// sends both.
func (c *connection) writeFrame(kind byte, buffer []byte) error {
	buffer[0] = kind
	binary.BigEndian.PutUint32(buffer[1:], uint32(len(buffer)-frameHeader))
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.out.Write(buffer)
	return err
}

func (c *connection) write(kind byte, payload []byte) error {
	return c.writeFrame(kind, append(make([]byte, frameHeader, frameHeader+len(payload)), payload...))
}

func (c *connection) note(line string) {
	if len(line) > 4096 {
		line = line[:4096]
	}
	// A note that cannot be sent belongs to a connection whose next frame fails as well.
	_ = c.write('N', []byte(line))
}

// finish sends the last frame: result, or what err says.
func (c *connection) finish(result any, err error) error {
	if err == nil {
		payload, encodeErr := json.Marshal(result)
		if encodeErr == nil {
			return c.write('S', payload)
		}
		err = encodeErr
	}
	known, isFailure := err.(*failure)
	if !isFailure {
		known = &failure{Code: "failed", Message: err.Error()}
	}
	payload, _ := json.Marshal(known)
	return c.write('X', payload)
}

// dataReader reads the bytes of D frames up to the E frame.
type dataReader struct {
	conn *connection
	left int
	done bool
}

func (r *dataReader) Read(p []byte) (int, error) {
	for r.left == 0 {
		if r.done {
			return 0, io.EOF
		}
		kind, length, err := r.conn.readHeader()
		if err != nil {
			return 0, err
		}
		switch kind {
		case 'D':
			r.left = length
		case 'E':
			r.done = true
		default:
			return 0, fail("protocol", "a frame of type %q where data was expected", kind)
		}
	}
	if len(p) > r.left {
		p = p[:r.left]
	}
	n, err := r.conn.in.Read(p)
	r.left -= n
	if err != nil {
		return n, errCut
	}
	return n, nil
}

// frameWriter collects what is written to it into O frames.
type frameWriter struct {
	conn   *connection
	buffer []byte
}

func newFrameWriter(conn *connection) *frameWriter {
	return &frameWriter{conn: conn, buffer: make([]byte, frameHeader, frameHeader+outputFrameBytes)}
}

func (w *frameWriter) Write(p []byte) (int, error) {
	written := len(p)
	for len(p) > 0 {
		room := cap(w.buffer) - len(w.buffer)
		if room > len(p) {
			room = len(p)
		}
		w.buffer = append(w.buffer, p[:room]...)
		p = p[room:]
		if len(w.buffer) == cap(w.buffer) {
			if err := w.Flush(); err != nil {
				return 0, err
			}
		}
	}
	return written, nil
}

func (w *frameWriter) Flush() error {
	if len(w.buffer) == frameHeader {
		return nil
	}
	err := w.conn.writeFrame('O', w.buffer)
	w.buffer = w.buffer[:frameHeader]
	return err
}

// outputFrameBytes is the payload of a full O frame: large enough that frames cost nothing, small enough for a pipe's pace.
const outputFrameBytes = 256 << 10
