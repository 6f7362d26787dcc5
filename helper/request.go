package main

import (
	"encoding/json"
	"io"
	"os"
	"runtime"
	"sync"
	"time"
)

// request is the R frame; the fields a verb does not know stay empty.
type request struct {
	Version     int               `json:"v"`
	Verb        string            `json:"verb"`
	Dir         string            `json:"dir"`
	User        string            `json:"user"`
	Inherit     bool              `json:"inherit"`
	Environment map[string]string `json:"environment"`
	WorkingDir  string            `json:"workingDir"`

	Step          string   `json:"step"`
	Argv          []string `json:"argv"`
	Script        *string  `json:"script"`
	TTY           bool     `json:"tty"`
	CreateDirs    []string `json:"createDirs"`
	Offset        int64    `json:"offset"`
	SpoolBytesMax int64    `json:"spoolBytesMax"`
	Signal        string   `json:"signal"`

	Contents     []archiveContents `json:"contents"`
	DestDir      string            `json:"destDir"`
	Existing     string            `json:"existing"`
	SizeBytesMax int64             `json:"sizeBytesMax"`
	EntriesMax   int64             `json:"entriesMax"`

	Digests   []digestQuery `json:"digests"`
	Variables []string      `json:"variables"`
}

// server is what answers requests: a process of its own for each (docker), or one for all (init with a socket).
type server struct {
	// dir is the private directory when init was given one; then what requests say is not believed.
	dir string
	// starter hands a step to its supervisor.
	starter func(req *request, sp *spool, handles *spoolHandles) error
	// bells ring within this process when a spool changes; nil when supervisors are other processes.
	bells  *bells
	limits []string
	// adopts: this process is init, whose children are what steps have left behind.
	adopts bool
	// running are the steps whose supervisors are in this process.
	running sync.Map
}

// lingerMax bounds how long a finished connection waits for the other side to have read the answer and closed.
const lingerMax = 5 * time.Second

func serveStdio() int {
	srv := &server{starter: startSupervisor}
	conn := newConnection(os.Stdin, os.Stdout)
	if srv.serve(conn) {
		// Leaving with unread data in the pipe would cut the other side while it still sends.
		timer := time.AfterFunc(lingerMax, func() { os.Exit(0) })
		io.Copy(io.Discard, conn.in)
		timer.Stop()
	}
	return 0
}

// serve answers the one request of conn; true when the other side may still be sending.
func (s *server) serve(conn *connection) bool {
	kind, payload, err := conn.readFrame()
	if err == errCut {
		return false
	}
	var req request
	if err == nil && kind != 'R' {
		err = fail("protocol", "the first frame has type %q and must be R", kind)
	}
	if err == nil {
		if jsonErr := json.Unmarshal(payload, &req); jsonErr != nil {
			err = fail("protocol", "the request is no JSON of the expected form: %v", jsonErr)
		}
	}
	if err == nil && req.Version != wireVersion {
		err = fail("version", "version %d of the wire was asked for; this helper knows %d", req.Version, wireVersion)
	}
	if err != nil {
		conn.finish(nil, err)
		return true
	}
	if s.dir != "" {
		req.Dir = s.dir
	}
	result, err := s.answer(conn, &req)
	if err == errCut {
		return false
	}
	conn.finish(result, err)
	return err != nil && req.Verb == "unarchive"
}

func (s *server) answer(conn *connection, req *request) (any, error) {
	switch req.Verb {
	case "run":
		return s.run(conn, req)
	case "follow":
		return s.follow(conn, req)
	case "kill":
		return struct{}{}, s.kill(req)
	case "archive":
		return archive(conn, req)
	case "unarchive":
		return unarchive(conn, req)
	case "query":
		return query(req)
	case "version":
		return map[string]any{"versions": []int{wireVersion}, "arch": runtime.GOARCH}, nil
	}
	return nil, fail("protocol", "the helper does not know the verb %q", req.Verb)
}
