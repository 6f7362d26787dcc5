package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// Unpacking trusts nothing in the archive. Each entry is made relative to an open descriptor of its parent directory,
// which is reached from the destination one element at a time without following symlinks: neither an archive nor a
// process that swaps directories meanwhile leads it elsewhere.

const (
	openPath            = 0x200000 // O_PATH, the same on all our architectures.
	atSymlinkNoFollow   = 0x100
	directoryDepthMax   = 512
	directoryFlags      = openPath | syscall.O_DIRECTORY | syscall.O_NOFOLLOW | syscall.O_CLOEXEC
	newFileFlags        = syscall.O_WRONLY | syscall.O_CREAT | syscall.O_EXCL | syscall.O_NOFOLLOW | syscall.O_CLOEXEC
	tarTrailerBytes     = 1024
	unlinkDirectoryFlag = 0x200
)

func unarchive(conn *connection, req *request) (any, error) {
	sc, err := newScope(req)
	if err != nil {
		return nil, err
	}
	if req.Existing != "refuse" && req.Existing != "overwrite" && req.Existing != "empty" {
		return nil, fail("protocol", "existing: %q is neither refuse, overwrite nor empty", req.Existing)
	}
	root, err := sc.expand(req.DestDir)
	if err != nil {
		return nil, err
	}
	u := &unpacker{
		root: root, overwrites: req.Existing == "overwrite", sizeBytesMax: req.SizeBytesMax, entriesMax: req.EntriesMax,
		notes: &notes{conn: conn}, made: map[string]*madeDirectory{}, buffer: make([]byte, copyBufferBytes),
	}
	err = sc.who.do(func() error {
		if err := u.open(req.Existing == "empty"); err != nil {
			return err
		}
		defer u.close()
		if err := u.unpack(&dataReader{conn: conn}); err != nil {
			return err
		}
		return u.finishDirectories()
	})
	if err != nil {
		return nil, err
	}
	u.notes.flush()
	return transferAnswer{u.entries, u.bytes}, nil
}

type openDirectory struct {
	name string
	fd   int
}

// madeDirectory is one that was not there before; its mode is set at the end, as it may forbid writing into it.
type madeDirectory struct {
	isInArchive bool
	mode        uint32
	modTime     time.Time
}

type unpacker struct {
	root                     string
	rootFd                   int
	overwrites               bool
	sizeBytesMax, entriesMax int64
	entries, bytes           int64
	notes                    *notes
	// path holds the directories from below the root to the parent of the last entry.
	path   []openDirectory
	made   map[string]*madeDirectory
	buffer []byte
}

// open makes the destination, which the definition names and so may lead through symlinks.
func (u *unpacker) open(mustBeEmpty bool) error {
	if err := os.MkdirAll(u.root, 0o755); err != nil {
		return fmt.Errorf("create destination directory %q: %w", u.root, causeOf(err))
	}
	dir, err := os.Open(u.root)
	if err != nil && mustBeEmpty {
		return fmt.Errorf("read destination directory %q: %w", u.root, causeOf(err))
	}
	if err == nil {
		names, readErr := dir.Readdirnames(1)
		dir.Close()
		if mustBeEmpty && (len(names) > 0 || readErr != io.EOF) {
			return fail("exists", "destination directory %q is not empty", u.root)
		}
	}
	u.rootFd, err = syscall.Open(u.root, openPath|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open destination directory %q: %w", u.root, err)
	}
	return nil
}

func (u *unpacker) close() {
	u.leave(0)
	syscall.Close(u.rootFd)
}

func (u *unpacker) leave(depth int) {
	for len(u.path) > depth {
		last := len(u.path) - 1
		syscall.Close(u.path[last].fd)
		u.path = u.path[:last]
	}
}

// countingReader tells how far the archive was read.
type countingReader struct {
	source io.Reader
	count  int64
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.source.Read(p)
	r.count += int64(n)
	return n, err
}

func (u *unpacker) unpack(data *dataReader) error {
	counted := &countingReader{source: data}
	archive := tar.NewReader(counted)
	for {
		before := counted.count
		header, err := archive.Next()
		if err == io.EOF {
			// The reader also ends where the data ends. Contents are read to their last byte, so what it has read since is
			// padding (less than a block) and the trailer of two blocks, or the archive was cut there.
			if counted.count-before < tarTrailerBytes {
				return fail("truncated", "the archive is truncated: its end is missing")
			}
			_, err = io.Copy(io.Discard, data)
			return err
		}
		if err == nil {
			err = u.add(header, archive)
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return fail("truncated", "the archive is truncated within %q", nameOf(header))
		}
		if err != nil {
			return err
		}
	}
}

func nameOf(header *tar.Header) string {
	if header == nil {
		return "a header"
	}
	return header.Name
}

func (u *unpacker) add(header *tar.Header, content io.Reader) error {
	if header.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	if u.entries++; u.entriesMax > 0 && u.entries > u.entriesMax {
		return fail("limit", "the archive has more than %d entries", u.entriesMax)
	}
	elements, err := entryElements(header.Name)
	if err != nil {
		return err
	}
	if len(elements) == 0 {
		if header.Typeflag != tar.TypeDir {
			return fail("unsafe", "entry %q names the destination itself", header.Name)
		}
		return nil
	}
	parent, err := u.enter(elements[:len(elements)-1])
	if err != nil {
		return err
	}
	name := elements[len(elements)-1]
	shown := strings.Join(elements, "/")
	switch header.Typeflag {
	case tar.TypeDir:
		return u.addDirectory(parent, name, shown, header)
	case tar.TypeReg, tar.TypeGNUSparse:
		return u.addFile(parent, name, shown, header, content)
	case tar.TypeSymlink:
		return u.create(parent, name, shown, func() error {
			if err := symlinkAt(header.Linkname, parent, name); err != nil {
				return err
			}
			return setTimes(parent, name, header.ModTime)
		})
	case tar.TypeLink:
		return u.addLink(elements, header)
	case tar.TypeFifo, tar.TypeChar, tar.TypeBlock:
		u.notes.add("%q is left out: it is a device or FIFO", shown)
		return nil
	}
	return fail("unsafe", "entry %q has the unknown type %q", header.Name, header.Typeflag)
}

// entryElements splits a name; what would leave the destination fails.
func entryElements(name string) ([]string, error) {
	if strings.HasPrefix(name, "/") {
		return nil, fail("unsafe", "entry %q has an absolute name", name)
	}
	if strings.Contains(name, "\x00") {
		return nil, fail("unsafe", "entry %q has a NUL in its name", name)
	}
	var elements []string
	for _, element := range strings.Split(name, "/") {
		switch element {
		case "", ".":
		case "..":
			return nil, fail("unsafe", "entry %q leads out of the destination", name)
		default:
			elements = append(elements, element)
		}
	}
	if len(elements) > directoryDepthMax {
		return nil, fail("limit", "an entry is deeper than %d directories", directoryDepthMax)
	}
	return elements, nil
}

// enter returns the descriptor of a directory below the root and makes what is missing. It is open until another one is
// entered.
func (u *unpacker) enter(elements []string) (int, error) {
	depth := 0
	for depth < len(elements) && depth < len(u.path) && u.path[depth].name == elements[depth] {
		depth++
	}
	u.leave(depth)
	for ; depth < len(elements); depth++ {
		parent, name := u.current(), elements[depth]
		fd, err := openAt(parent, name, directoryFlags, 0)
		if err == syscall.ENOENT {
			if err = syscall.Mkdirat(parent, name, 0o755); err == nil {
				u.made[strings.Join(elements[:depth+1], "/")] = &madeDirectory{}
			}
			if err == nil || err == syscall.EEXIST {
				fd, err = openAt(parent, name, directoryFlags, 0)
			}
		}
		if err == syscall.ENOTDIR || err == syscall.ELOOP {
			return -1, fail("unsafe", "%q in the destination is a symlink or file, where the archive has a directory",
				strings.Join(elements[:depth+1], "/"))
		}
		if err != nil {
			return -1, fmt.Errorf("open directory %q: %w", strings.Join(elements[:depth+1], "/"), err)
		}
		u.path = append(u.path, openDirectory{name, fd})
	}
	return u.current(), nil
}

func (u *unpacker) current() int {
	if len(u.path) == 0 {
		return u.rootFd
	}
	return u.path[len(u.path)-1].fd
}

// create calls make, which must fail with EEXIST when the name is taken; then it refuses, or removes and calls again.
func (u *unpacker) create(parent int, name, shown string, make func() error) error {
	err := make()
	if err == syscall.EEXIST {
		if !u.overwrites {
			return fail("exists", "file already exists: %q", shown)
		}
		if err = removeAt(parent, name); err == nil {
			err = make()
		}
	}
	if err != nil {
		var known *failure
		if errors.As(err, &known) || errors.Is(err, io.ErrUnexpectedEOF) || err == errCut {
			return err
		}
		return fmt.Errorf("create %q: %w", shown, err)
	}
	return nil
}

// removeAt removes a file, or an empty directory.
func removeAt(parent int, name string) error {
	err := unlinkAt(parent, name, 0)
	if err == syscall.EISDIR {
		err = unlinkAt(parent, name, unlinkDirectoryFlag)
	}
	if err == syscall.ENOTEMPTY {
		return fail("exists", "%q is a directory that is not empty, and a file in the archive", name)
	}
	return err
}

func (u *unpacker) addDirectory(parent int, name, shown string, header *tar.Header) error {
	err := syscall.Mkdirat(parent, name, 0o700)
	if err == syscall.EEXIST {
		fd, openErr := openAt(parent, name, directoryFlags, 0)
		if openErr == nil {
			// Directories merge; one that was there keeps its mode.
			syscall.Close(fd)
			if made := u.made[shown]; made != nil {
				u.made[shown] = madeBy(header)
			}
			return nil
		}
		err = u.create(parent, name, shown, func() error { return syscall.Mkdirat(parent, name, 0o700) })
	}
	if err != nil {
		if _, isKnown := err.(*failure); isKnown {
			return err
		}
		return fmt.Errorf("create directory %q: %w", shown, err)
	}
	u.made[shown] = madeBy(header)
	return nil
}

func madeBy(header *tar.Header) *madeDirectory {
	return &madeDirectory{isInArchive: true, mode: uint32(header.Mode & 0o7777), modTime: header.ModTime}
}

func (u *unpacker) addFile(parent int, name, shown string, header *tar.Header, content io.Reader) error {
	if u.bytes += header.Size; u.sizeBytesMax > 0 && u.bytes > u.sizeBytesMax {
		return fail("limit", "the archive has more than %d bytes", u.sizeBytesMax)
	}
	fd := -1
	err := u.create(parent, name, shown, func() (err error) {
		fd, err = openAt(parent, name, newFileFlags, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	err = u.fill(fd, content)
	if err == nil {
		err = syscall.Fchmod(fd, uint32(header.Mode&0o7777))
	}
	if err == nil {
		err = setTimes(fd, "", header.ModTime)
	}
	if closeErr := syscall.Close(fd); err == nil {
		err = closeErr
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || err == errCut || err == nil {
		return err
	}
	return fmt.Errorf("write %q: %w", shown, err)
}

func (u *unpacker) fill(fd int, content io.Reader) error {
	for {
		n, err := content.Read(u.buffer)
		for rest := u.buffer[:n]; len(rest) > 0; {
			written, writeErr := syscall.Write(fd, rest)
			if writeErr == syscall.EINTR {
				continue
			}
			if writeErr != nil {
				return writeErr
			}
			rest = rest[written:]
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// addLink links to a file that an earlier entry made, or that was in the destination.
func (u *unpacker) addLink(elements []string, header *tar.Header) error {
	shown := strings.Join(elements, "/")
	targetElements, err := entryElements(header.Linkname)
	if err != nil || len(targetElements) == 0 {
		return fail("unsafe", "entry %q is a hard link to %q, which is not in the destination", shown, header.Linkname)
	}
	targetParent, err := u.enter(targetElements[:len(targetElements)-1])
	if err != nil {
		return err
	}
	targetName := targetElements[len(targetElements)-1]
	// Not followed: a symlink opens as itself.
	target, err := openAt(targetParent, targetName, openPath|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("link %q to %q: %w", shown, header.Linkname, err)
	}
	defer syscall.Close(target)
	var stat syscall.Stat_t
	if err := syscall.Fstat(target, &stat); err != nil {
		return fmt.Errorf("link %q to %q: %w", shown, header.Linkname, err)
	}
	if stat.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return fail("unsafe", "entry %q is a hard link to %q, which is not a regular file", shown, header.Linkname)
	}
	held, err := syscall.Dup(targetParent)
	if err != nil {
		return err
	}
	syscall.CloseOnExec(held)
	defer syscall.Close(held)
	parent, err := u.enter(elements[:len(elements)-1])
	if err != nil {
		return err
	}
	name := elements[len(elements)-1]
	if strings.Join(targetElements, "/") == shown {
		return fail("unsafe", "entry %q is a hard link to itself", shown)
	}
	return u.create(parent, name, shown, func() error { return linkAt(held, targetName, parent, name) })
}

// finishDirectories gives the made directories their modes and times, the deepest first.
func (u *unpacker) finishDirectories() error {
	names := make([]string, 0, len(u.made))
	for name, made := range u.made {
		if made.isInArchive {
			names = append(names, name)
		}
	}
	sort.Sort(sort.Reverse(sort.StringSlice(names)))
	for _, name := range names {
		elements := strings.Split(name, "/")
		parent, err := u.enterExisting(elements[:len(elements)-1])
		var fd int
		if err == nil {
			const flags = syscall.O_RDONLY | syscall.O_DIRECTORY | syscall.O_NOFOLLOW | syscall.O_CLOEXEC
			fd, err = openAt(parent, elements[len(elements)-1], flags, 0)
		}
		if err == syscall.ENOENT || err == syscall.ENOTDIR || err == syscall.ELOOP {
			continue // A later entry took its place.
		}
		if err == nil {
			if err = syscall.Fchmod(fd, u.made[name].mode); err == nil {
				err = setTimes(fd, "", u.made[name].modTime)
			}
			syscall.Close(fd)
		}
		if err != nil {
			return fmt.Errorf("set mode and time of directory %q: %w", name, err)
		}
	}
	return nil
}

func (u *unpacker) enterExisting(elements []string) (int, error) {
	depth := 0
	for depth < len(elements) && depth < len(u.path) && u.path[depth].name == elements[depth] {
		depth++
	}
	u.leave(depth)
	for ; depth < len(elements); depth++ {
		fd, err := openAt(u.current(), elements[depth], directoryFlags, 0)
		if err != nil {
			return -1, err
		}
		u.path = append(u.path, openDirectory{elements[depth], fd})
	}
	return u.current(), nil
}

// openAt tries again when a signal interrupts: the runtime sends some.
func openAt(dir int, name string, flags int, mode uint32) (int, error) {
	for {
		fd, err := syscall.Openat(dir, name, flags, mode)
		if err != syscall.EINTR {
			return fd, err
		}
	}
}

func unlinkAt(dir int, name string, flags int) error {
	text, err := syscall.BytePtrFromString(name)
	if err != nil {
		return err
	}
	_, _, errno := syscall.Syscall(syscall.SYS_UNLINKAT, uintptr(dir), uintptr(unsafe.Pointer(text)), uintptr(flags))
	return errnoError(errno)
}

func symlinkAt(target string, dir int, name string) error {
	targetText, err := syscall.BytePtrFromString(target)
	if err != nil {
		return err
	}
	nameText, err := syscall.BytePtrFromString(name)
	if err != nil {
		return err
	}
	_, _, errno := syscall.Syscall(syscall.SYS_SYMLINKAT,
		uintptr(unsafe.Pointer(targetText)), uintptr(dir), uintptr(unsafe.Pointer(nameText)))
	return errnoError(errno)
}

func linkAt(fromDir int, from string, toDir int, to string) error {
	fromText, err := syscall.BytePtrFromString(from)
	if err != nil {
		return err
	}
	toText, err := syscall.BytePtrFromString(to)
	if err != nil {
		return err
	}
	_, _, errno := syscall.Syscall6(syscall.SYS_LINKAT,
		uintptr(fromDir), uintptr(unsafe.Pointer(fromText)), uintptr(toDir), uintptr(unsafe.Pointer(toText)), 0, 0)
	return errnoError(errno)
}

// setTimes sets both times of name in the directory, without following it; of the open file itself when name is empty.
func setTimes(fd int, name string, modTime time.Time) error {
	times := [2]syscall.Timespec{syscall.NsecToTimespec(modTime.UnixNano()), syscall.NsecToTimespec(modTime.UnixNano())}
	var text unsafe.Pointer
	flags := 0
	if name != "" {
		bytes, err := syscall.BytePtrFromString(name)
		if err != nil {
			return err
		}
		text, flags = unsafe.Pointer(bytes), atSymlinkNoFollow
	}
	_, _, errno := syscall.Syscall6(syscall.SYS_UTIMENSAT,
		uintptr(fd), uintptr(text), uintptr(unsafe.Pointer(&times)), uintptr(flags), 0, 0)
	return errnoError(errno)
}

func errnoError(errno syscall.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}
