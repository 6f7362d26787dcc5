package main

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// packed archives dir and returns the tar stream, the notes, and the failure.
func packed(t *testing.T, req *request) ([]byte, []string, error) {
	t.Helper()
	var out bytes.Buffer
	_, err := archive(newConnection(strings.NewReader(""), &out), req)
	var data []byte
	var notes []string
	for conn := newConnection(&out, io.Discard); ; {
		kind, payload, readErr := conn.readFrame()
		if readErr != nil {
			return data, notes, err
		}
		switch kind {
		case 'O':
			data = append(data, payload...)
		case 'N':
			notes = append(notes, string(payload))
		}
	}
}

func unpacked(dir, existing string, data []byte) error {
	var in bytes.Buffer
	for len(data) > 0 {
		n := len(data)
		if n > 1000 { // Not a multiple of a block: frames and blocks need not meet.
			n = 1000
		}
		header := [frameHeader]byte{'D'}
		binary.BigEndian.PutUint32(header[1:], uint32(n))
		in.Write(header[:])
		in.Write(data[:n])
		data = data[n:]
	}
	in.Write([]byte{'E', 0, 0, 0, 0})
	_, err := unarchive(newConnection(&in, io.Discard), &request{DestDir: dir, Existing: existing, WorkingDir: "/"})
	return err
}

func tarOf(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	writer := tar.NewWriter(&out)
	for _, header := range headers {
		header := header
		if header.Mode == 0 {
			header.Mode = 0o644
		}
		content := ""
		if header.Typeflag == tar.TypeReg {
			content = "content"
		}
		header.Size = int64(len(content))
		if err := writer.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		io.WriteString(writer, content)
	}
	writer.Close()
	return out.Bytes()
}

func TestArchivesThatTryToLeaveTheDestinationFail(t *testing.T) {
	outside := t.TempDir()
	os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600)
	regular := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name} }
	symlink := func(name, target string) tar.Header {
		return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target}
	}
	hardLink := func(name, target string) tar.Header {
		return tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target}
	}
	for what, headers := range map[string][]tar.Header{
		"dots":                          {regular("../evil")},
		"dots within":                   {regular("a/../../evil")},
		"absolute":                      {regular(outside + "/evil")},
		"the destination itself":        {regular(".")},
		"own symlink":                   {symlink("link", outside), regular("link/evil")},
		"own symlink to the parent":     {symlink("link", ".."), regular("link/evil")},
		"symlink deeper":                {symlink("a/b/link", outside), regular("a/b/link/c/evil")},
		"directory over own symlink":    {symlink("link", outside), {Typeflag: tar.TypeDir, Name: "link/evil", Mode: 0o755}},
		"hard link outside":             {hardLink("link", outside+"/secret")},
		"hard link by dots":             {hardLink("link", "../secret")},
		"hard link through symlink":     {symlink("link", outside), hardLink("evil", "link/secret")},
		"hard link to symlink":          {symlink("link", outside+"/secret"), hardLink("evil", "link")},
		"hard link to itself":           {regular("a"), hardLink("a", "a")},
		"hard link to the destination":  {hardLink("a", ".")},
		"file over own symlink, refuse": {symlink("link", outside+"/evil"), regular("link")},
		"unknown type":                  {{Typeflag: 'Z', Name: "strange"}},
	} {
		for _, existing := range []string{"refuse", "overwrite"} {
			dir := filepath.Join(t.TempDir(), "destination")
			err := unpacked(dir, existing, tarOf(t, headers...))
			isReplaced := strings.HasSuffix(what, ", refuse") && existing == "overwrite"
			if (err == nil) != isReplaced {
				t.Errorf("%s, %s: %v", what, existing, err)
			}
			names, _ := os.ReadDir(outside)
			content, _ := os.ReadFile(filepath.Join(outside, "secret"))
			if len(names) != 1 || string(content) != "secret" {
				t.Fatalf("%s, %s: something was written outside", what, existing)
			}
			if _, err := os.Lstat(filepath.Join(filepath.Dir(dir), "evil")); err == nil {
				t.Fatalf("%s, %s: something was written beside the destination", what, existing)
			}
		}
	}
}

func TestOverwritingReplacesASymlinkAndNotWhatItPointsTo(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	victim := filepath.Join(outside, "victim")
	os.WriteFile(victim, []byte("before"), 0o644)
	os.Symlink(victim, filepath.Join(dir, "file"))
	os.Symlink(outside, filepath.Join(dir, "dir"))
	err := unpacked(dir, "overwrite", tarOf(t,
		tar.Header{Typeflag: tar.TypeReg, Name: "file"},
		tar.Header{Typeflag: tar.TypeDir, Name: "dir", Mode: 0o755},
		tar.Header{Typeflag: tar.TypeReg, Name: "dir/file"},
	))
	if err != nil {
		t.Fatal(err)
	}
	if content, _ := os.ReadFile(victim); string(content) != "before" {
		t.Error("written through the symlink")
	}
	if _, err := os.Lstat(filepath.Join(outside, "file")); err == nil {
		t.Error("written through the directory symlink")
	}
}

func TestOverwritingADirectoryThatIsNotEmptyFails(t *testing.T) {
	dir := t.TempDir()
	os.MkdirAll(filepath.Join(dir, "x/kept"), 0o755)
	os.Mkdir(filepath.Join(dir, "empty"), 0o755)
	if err := unpacked(dir, "overwrite", tarOf(t, tar.Header{Typeflag: tar.TypeReg, Name: "empty"})); err != nil {
		t.Error(err)
	}
	err := unpacked(dir, "overwrite", tarOf(t, tar.Header{Typeflag: tar.TypeReg, Name: "x"}))
	if err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Error(err)
	}
}

func TestDirectoryModesAndTimesAreSetAfterTheirContent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	at := time.Unix(1_500_000_000, 0)
	err := unpacked(dir, "empty", tarOf(t,
		tar.Header{Typeflag: tar.TypeDir, Name: "closed", Mode: 0o500, ModTime: at},
		tar.Header{Typeflag: tar.TypeDir, Name: "closed/inner", Mode: 0o555, ModTime: at},
		tar.Header{Typeflag: tar.TypeReg, Name: "closed/inner/file", Mode: 0o4751, ModTime: at},
		tar.Header{Typeflag: tar.TypeReg, Name: "implied/file"},
	))
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]uint32{"closed": 0o500, "closed/inner": 0o555, "closed/inner/file": 0o4751, "implied": 0o755} {
		var stat syscall.Stat_t
		if err := syscall.Lstat(filepath.Join(dir, name), &stat); err != nil || stat.Mode&0o7777 != mode {
			t.Errorf("%s has mode %o, %v", name, stat.Mode&0o7777, err)
		}
		if name != "implied" && stat.Mtim.Sec != 1_500_000_000 {
			t.Errorf("%s has time %d", name, stat.Mtim.Sec)
		}
	}
	os.Chmod(filepath.Join(dir, "closed"), 0o700)
	os.Chmod(filepath.Join(dir, "closed/inner"), 0o700)
}

func TestATruncatedArchiveIsAnErrorWhereverItEnds(t *testing.T) {
	data := tarOf(t,
		tar.Header{Typeflag: tar.TypeReg, Name: "a"},
		tar.Header{Typeflag: tar.TypeDir, Name: "d", Mode: 0o755},
		tar.Header{Typeflag: tar.TypeReg, Name: "d/b"},
	)
	for length := 0; length < len(data); length += 128 {
		err := unpacked(filepath.Join(t.TempDir(), "x"), "refuse", data[:length])
		if known, ok := err.(*failure); !ok || known.Code != "truncated" {
			t.Errorf("%d of %d bytes: %v", length, len(data), err)
		}
	}
	if err := unpacked(filepath.Join(t.TempDir(), "x"), "refuse", append(data, make([]byte, 9216)...)); err != nil {
		t.Error("padding after the end:", err)
	}
}

func TestTwoSourcesForOneNameFail(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "file"), nil, 0o644)
	contents := archiveContents{SourceDir: dir, DestDir: "x", Paths: []string{"*"}}
	_, _, err := packed(t, &request{WorkingDir: "/", Contents: []archiveContents{contents, contents}})
	if err == nil || !strings.Contains(err.Error(), `both go to "x/file"`) {
		t.Error(err)
	}
}

func TestOnlyWhatMatchesIsArchivedSorted(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b/x.js", "b/y.css", "a/deep/z.js", "skip/q.txt"} {
		os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755)
		os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644)
	}
	os.Mkdir(filepath.Join(dir, "closed"), 0o000)
	defer os.Chmod(filepath.Join(dir, "closed"), 0o700)
	data, _, err := packed(t, &request{WorkingDir: "/", Contents: []archiveContents{
		{SourceDir: dir, DestDir: "/out/", Paths: []string{"{a,b}/**/*.js", "skip"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for reader := tar.NewReader(bytes.NewReader(data)); ; {
		header, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, header.Name)
	}
	if strings.Join(names, " ") != "out/a/deep/z.js out/b/x.js out/skip" {
		t.Error(names)
	}
}

// A file that another process writes to must never break the archive: each entry stays readable.
func TestAFileThatChangesMeanwhileDoesNotCorruptTheArchive(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	os.WriteFile(path, make([]byte, 3<<20), 0o644)
	os.WriteFile(filepath.Join(dir, "z"), []byte("after"), 0o644)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		file, _ := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		defer file.Close()
		for {
			select {
			case <-stop:
				return
			default:
				file.Write(make([]byte, 4096))
				time.Sleep(50 * time.Microsecond)
			}
		}
	}()
	data, _, err := packed(t, &request{WorkingDir: "/", Contents: []archiveContents{{SourceDir: dir, Paths: []string{"**"}}}})
	close(stop)
	<-done
	if err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(t.TempDir(), "x")
	if err := unpacked(target, "refuse", data); err != nil {
		t.Fatal(err)
	}
	if content, _ := os.ReadFile(filepath.Join(target, "z")); string(content) != "after" {
		t.Errorf("%q", content)
	}
}

func TestUsersAreFoundInThePodsOwnFiles(t *testing.T) {
	root, err := resolveIdentity("")
	if err != nil || root.uid != os.Geteuid() {
		t.Error(root, err)
	}
	if os.Geteuid() != 0 {
		t.Skip("becoming another user needs root")
	}
	for user, want := range map[string][2]int{"root": {0, 0}, "12345": {12345, 0}, "12345:678": {12345, 678}, "0:678": {0, 678}} {
		id, err := resolveIdentity(user)
		if err != nil || id.uid != want[0] || id.gid != want[1] {
			t.Errorf("%s: %+v %v", user, id, err)
		}
	}
	for _, user := range []string{"no-such-user", "root:no-such-group", "-5"} {
		if _, err := resolveIdentity(user); err == nil {
			t.Errorf("%s was found", user)
		}
	}
	dir := t.TempDir()
	other := &identity{uid: 12345, gid: 678, isSwitched: true}
	if err := other.do(func() error { return os.WriteFile(filepath.Join(dir, "file"), nil, 0o600) }); err == nil {
		t.Error("another user wrote into root's directory")
	}
	os.Chmod(dir, 0o777)
	for parent := dir; parent != os.TempDir() && parent != "/"; parent = filepath.Dir(parent) {
		os.Chmod(parent, 0o777)
	}
	if err := other.do(func() error { return os.WriteFile(filepath.Join(dir, "file"), nil, 0o600) }); err != nil {
		t.Error(err)
	}
	var stat syscall.Stat_t
	if syscall.Stat(filepath.Join(dir, "file"), &stat); stat.Uid != 12345 || stat.Gid != 678 {
		t.Errorf("owner %d:%d", stat.Uid, stat.Gid)
	}
	if setThreadFsuid(-1) != 0 {
		t.Error("the other user stayed on a thread of ours")
	}
}
