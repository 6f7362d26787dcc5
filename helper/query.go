package main

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

const digestFileBytesMax = 1 << 20

type digestQuery struct {
	Algorithm string `json:"algorithm"`
	File      string `json:"file"`
}

type digestAnswer struct {
	Hex   string `json:"hex,omitempty"`
	Error string `json:"error,omitempty"`
}

type queryAnswer struct {
	Digests         []digestAnswer `json:"digests"`
	Variables       []string       `json:"variables"`
	Arch            string         `json:"arch"`
	UnixNanoseconds string         `json:"unixNanoseconds"`
	Year            string         `json:"year"`
	Month           string         `json:"month"`
	Day             string         `json:"day"`
}

func query(req *request) (*queryAnswer, error) {
	sc, err := newScope(req)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	local := now.In(sc.location())
	answer := &queryAnswer{
		Digests:         []digestAnswer{},
		Variables:       []string{},
		Arch:            runtime.GOARCH,
		UnixNanoseconds: strconv.FormatInt(now.UnixNano(), 10),
		Year:            local.Format("2006"),
		Month:           local.Format("01"),
		Day:             local.Format("02"),
	}
	for _, name := range req.Variables {
		answer.Variables = append(answer.Variables, sc.variables[name])
	}
	err = sc.who.do(func() error {
		for _, asked := range req.Digests {
			sum, err := digest(asked, sc.workingDir)
			if err != nil {
				answer.Digests = append(answer.Digests, digestAnswer{Error: err.Error()})
			} else {
				answer.Digests = append(answer.Digests, digestAnswer{Hex: sum})
			}
		}
		return nil
	})
	return answer, err
}

// location is the step's local zone, which need not be the helper's.
func (sc *scope) location() *time.Location {
	name, isSet := sc.variables["TZ"]
	if !isSet {
		return time.Local
	}
	if len(name) > 0 && name[0] == ':' {
		name = name[1:]
	}
	if location, err := time.LoadLocation(name); err == nil {
		return location
	}
	return time.UTC
}

func digest(asked digestQuery, workingDir string) (string, error) {
	var sum hash.Hash
	switch asked.Algorithm {
	case "md5":
		sum = md5.New()
	case "sha256":
		sum = sha256.New()
	default:
		return "", fmt.Errorf("digest %q is not known", asked.Algorithm)
	}
	if asked.File == "" {
		return "", errors.New("empty filename")
	}
	path := asked.File
	if !filepath.IsAbs(path) {
		path = filepath.Join(workingDir, path)
	}
	// Without O_NONBLOCK a FIFO would hold us for ever.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", fmt.Errorf("file %q: %w", asked.File, causeOf(err))
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", fmt.Errorf("file %q: %w", asked.File, causeOf(err))
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("file %q is not a regular file", asked.File)
	}
	n, err := io.Copy(sum, io.LimitReader(file, digestFileBytesMax+1))
	if err != nil {
		return "", fmt.Errorf("file %q: %w", asked.File, causeOf(err))
	}
	if n > digestFileBytesMax {
		return "", fmt.Errorf("file %q is too big", asked.File)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// causeOf drops operation and path, which the message around it names better.
func causeOf(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
