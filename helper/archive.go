package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

type archiveContents struct {
	SourceDir string   `json:"sourceDir"`
	DestDir   string   `json:"destDir"`
	Paths     []string `json:"paths"`
}

type transferAnswer struct {
	Entries int64 `json:"entries"`
	Bytes   int64 `json:"bytes"`
}

const (
	copyBufferBytes = 1 << 20
	// Beyond these the rest is counted.
	notesMax = 100
)

// archive streams what matches as a tar: pax, so that any name and exact times fit.
func archive(conn *connection, req *request) (any, error) {
	sc, err := newScope(req)
	if err != nil {
		return nil, err
	}
	stream := newFrameWriter(conn)
	p := &packer{
		tar: tar.NewWriter(stream), scope: sc, sizeBytesMax: req.SizeBytesMax, entriesMax: req.EntriesMax,
		notes: &notes{conn: conn}, seen: map[string]string{}, links: map[inode]string{}, buffer: make([]byte, copyBufferBytes),
	}
	err = sc.who.do(func() error {
		for _, contents := range req.Contents {
			if err := p.addContents(contents); err != nil {
				return err
			}
		}
		return p.tar.Close()
	})
	if err == nil {
		err = stream.Flush()
	}
	if err != nil {
		return nil, err
	}
	p.notes.flush()
	return transferAnswer{p.entries, p.bytes}, nil
}

type inode struct{ device, number uint64 }

type packer struct {
	tar                      *tar.Writer
	scope                    *scope
	sizeBytesMax, entriesMax int64
	entries, bytes           int64
	notes                    *notes
	// seen maps names in the archive to where they came from, links files with several names to their first.
	seen   map[string]string
	links  map[inode]string
	buffer []byte
}

type notes struct {
	conn  *connection
	count int
}

func (n *notes) add(format string, args ...any) {
	if n.count++; n.count <= notesMax {
		n.conn.note(fmt.Sprintf(format, args...))
	}
}

func (n *notes) flush() {
	if n.count > notesMax {
		n.conn.note(fmt.Sprintf("and %d more", n.count-notesMax))
	}
}

func (p *packer) addContents(contents archiveContents) error {
	root, err := p.scope.expand(contents.SourceDir)
	if err != nil {
		return err
	}
	info, err := os.Stat(root)
	if err != nil {
		return fmt.Errorf("source directory %q: %w", root, causeOf(err))
	}
	if !info.IsDir() {
		return fmt.Errorf("source directory %q is not a directory", root)
	}
	destination, err := archiveDestination(contents.DestDir)
	if err != nil {
		return err
	}
	var globs []*glob
	for _, pattern := range contents.Paths {
		parsed, err := parseGlob(pattern)
		if err != nil {
			return err
		}
		globs = append(globs, parsed)
	}
	return p.walk(root, nil, destination, globs)
}

// archiveDestination is the prefix of names in the archive, "" or without slashes around.
func archiveDestination(dir string) (string, error) {
	for _, element := range strings.Split(dir, "/") {
		if element == ".." {
			return "", fmt.Errorf("destination directory %q: .. is not allowed", dir)
		}
	}
	return strings.TrimPrefix(path.Clean("/"+dir), "/"), nil
}

func (p *packer) walk(root string, below []string, destination string, globs []*glob) error {
	dir := filepath.Join(append([]string{root}, below...)...)
	// Sorted by name: the same files make the same archive.
	children, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) && len(below) > 0 {
		p.notes.add("%q vanished while it was read", dir)
		return nil
	}
	if err != nil {
		return fmt.Errorf("read directory %q: %w", dir, causeOf(err))
	}
	for _, child := range children {
		relative := append(below[:len(below):len(below)], child.Name())
		source := dir + "/" + child.Name()
		if anyGlob(globs, relative, (*glob).match) {
			if err := p.add(source, path.Join(destination, path.Join(relative...))); err != nil {
				return err
			}
		}
		if child.IsDir() && anyGlob(globs, relative, (*glob).mayMatchBelow) {
			if err := p.walk(root, relative, destination, globs); err != nil {
				return err
			}
		}
	}
	return nil
}

func anyGlob(globs []*glob, elements []string, is func(*glob, []string) bool) bool {
	for _, one := range globs {
		if is(one, elements) {
			return true
		}
	}
	return false
}

func (p *packer) add(source, name string) error {
	info, err := os.Lstat(source)
	if errors.Is(err, fs.ErrNotExist) {
		p.notes.add("%q vanished while it was read", source)
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at %q: %w", source, causeOf(err))
	}
	header := &tar.Header{
		Name: name, Mode: int64(info.Sys().(*syscall.Stat_t).Mode & 0o7777), ModTime: info.ModTime(), Format: tar.FormatPAX,
	}
	switch {
	case info.IsDir():
		header.Typeflag = tar.TypeDir
	case info.Mode()&fs.ModeSymlink != 0:
		header.Typeflag = tar.TypeSymlink
		if header.Linkname, err = os.Readlink(source); err != nil {
			return fmt.Errorf("read symlink %q: %w", source, causeOf(err))
		}
	case info.Mode().IsRegular():
		header.Typeflag = tar.TypeReg
	default:
		p.notes.add("%q is left out: a %s cannot be archived", source, kindOf(info.Mode()))
		return nil
	}
	if before, isThere := p.seen[name]; isThere {
		return fmt.Errorf("%q and %q both go to %q in the archive", before, source, name)
	}
	if header.Typeflag == tar.TypeReg {
		return p.addFile(source, header)
	}
	return p.addHeader(source, header)
}

func (p *packer) addHeader(source string, header *tar.Header) error {
	p.seen[header.Name] = source
	p.bytes += header.Size
	if p.entries++; p.entriesMax > 0 && p.entries > p.entriesMax {
		return fail("limit", "the archive would have more than %d entries", p.entriesMax)
	}
	if p.sizeBytesMax > 0 && p.bytes > p.sizeBytesMax {
		return fail("limit", "the archive would have more than %d bytes", p.sizeBytesMax)
	}
	if err := p.tar.WriteHeader(header); err != nil {
		return fmt.Errorf("archive %q: %w", source, err)
	}
	return nil
}

// addFile takes the size from the open file. A small one is read before its header is written, so that it may change
// meanwhile; a large one that grows is cut where it was, one that shrinks fails: its end would be invented.
func (p *packer) addFile(source string, header *tar.Header) error {
	file, err := os.OpenFile(source, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		p.notes.add("%q vanished while it was read", source)
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %q: %w", source, causeOf(err))
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("read %q: %w", source, causeOf(err))
	}
	if !info.Mode().IsRegular() {
		p.notes.add("%q is left out: it changed while it was read", source)
		return nil
	}
	stat := info.Sys().(*syscall.Stat_t)
	id := inode{uint64(stat.Dev), stat.Ino}
	if stat.Nlink > 1 {
		if first, isKnown := p.links[id]; isKnown {
			header.Typeflag, header.Linkname = tar.TypeLink, first
			return p.addHeader(source, header)
		}
	}
	first, err := readUpTo(file, p.buffer)
	if err != nil {
		return fmt.Errorf("read %q: %w", source, causeOf(err))
	}
	if header.Size = info.Size(); first < len(p.buffer) {
		header.Size = int64(first)
	} else if header.Size < int64(first) {
		header.Size = int64(first)
	}
	header.ModTime = info.ModTime()
	if err := p.addHeader(source, header); err != nil {
		return err
	}
	if stat.Nlink > 1 {
		p.links[id] = header.Name
	}
	left := header.Size
	for n := first; ; {
		if int64(n) > left {
			n = int(left)
		}
		if _, err := p.tar.Write(p.buffer[:n]); err != nil {
			return err
		}
		if left -= int64(n); left == 0 {
			break
		}
		if n, err = readUpTo(file, p.buffer); err != nil {
			return fmt.Errorf("read %q: %w", source, causeOf(err))
		}
		if n == 0 {
			return fmt.Errorf("%q became shorter while it was read: archive it when nothing writes to it", source)
		}
	}
	if end, err := file.Stat(); err == nil && end.Size() > header.Size {
		p.notes.add("%q grew while it was read: its first %d bytes are archived", source, header.Size)
	}
	return nil
}

// readUpTo fills buffer, unless the file ends before.
func readUpTo(file *os.File, buffer []byte) (int, error) {
	filled := 0
	for filled < len(buffer) {
		n, err := file.Read(buffer[filled:])
		filled += n
		if err == io.EOF {
			break
		}
		if err != nil {
			return filled, err
		}
	}
	return filled, nil
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSocket != 0:
		return "socket"
	case mode&fs.ModeNamedPipe != 0:
		return "FIFO"
	case mode&fs.ModeDevice != 0:
		return "device"
	}
	return "file of unknown kind"
}
