package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// identity is who a request acts as.
type identity struct {
	uid, gid int
	groups   []int
	// name and home are of the user database; a uid that is not in it has no name and the home "/".
	name, home string
	// isSwitched: the helper runs as root and this was asked for by name.
	isSwitched bool
}

type passwdEntry struct {
	name, home string
	uid, gid   int
}

// resolveIdentity finds `name`, `uid`, `user:group` or, when user is empty, the user the helper has. It reads the
// container's own files: nothing else is sure to be there.
func resolveIdentity(user string) (*identity, error) {
	self := os.Geteuid()
	if user == "" {
		id := &identity{uid: self, gid: os.Getegid(), home: "/"}
		if entry := findUser(func(e passwdEntry) bool { return e.uid == self }); entry != nil {
			id.name, id.home = entry.name, entry.home
		}
		return id, nil
	}
	userPart, groupPart, hasGroup := strings.Cut(user, ":")
	id := &identity{home: "/", isSwitched: self == 0}
	entry := findUser(func(e passwdEntry) bool { return e.name == userPart })
	if number, err := strconv.Atoi(userPart); entry == nil && err == nil && number >= 0 {
		// As with Docker: a number needs no entry, and has group 0 then.
		id.uid = number
		entry = findUser(func(e passwdEntry) bool { return e.uid == number })
	} else if entry == nil {
		return nil, fail("refused", "there is no user %q in the pod's /etc/passwd", userPart)
	}
	if entry != nil {
		id.uid, id.gid, id.name, id.home = entry.uid, entry.gid, entry.name, entry.home
	}
	if hasGroup {
		gid, ok := findGroup(groupPart)
		if !ok {
			return nil, fail("refused", "there is no group %q in the pod's /etc/group", groupPart)
		}
		id.gid = gid
	} else if id.name != "" {
		id.groups = groupsOf(id.name)
	}
	if self != 0 && id.uid != self {
		return nil, fail("refused", "the pod's helper runs as uid %d and cannot become user %q", self, user)
	}
	return id, nil
}

func findUser(isWanted func(passwdEntry) bool) *passwdEntry {
	var found *passwdEntry
	eachLine("/etc/passwd", 7, func(fields []string) bool {
		uid, uidErr := strconv.Atoi(fields[2])
		gid, gidErr := strconv.Atoi(fields[3])
		if uidErr != nil || gidErr != nil {
			return true
		}
		entry := passwdEntry{name: fields[0], uid: uid, gid: gid, home: fields[5]}
		if entry.home == "" {
			entry.home = "/"
		}
		if isWanted(entry) {
			found = &entry
		}
		return found == nil
	})
	return found
}

func findGroup(name string) (gid int, ok bool) {
	eachLine("/etc/group", 3, func(fields []string) bool {
		if fields[0] == name {
			if number, err := strconv.Atoi(fields[2]); err == nil {
				gid, ok = number, true
			}
		}
		return !ok
	})
	if number, err := strconv.Atoi(name); !ok && err == nil && number >= 0 {
		return number, true
	}
	return gid, ok
}

func groupsOf(user string) []int {
	var groups []int
	eachLine("/etc/group", 4, func(fields []string) bool {
		for _, member := range strings.Split(fields[3], ",") {
			if number, err := strconv.Atoi(fields[2]); member == user && err == nil {
				groups = append(groups, number)
			}
		}
		return true
	})
	return groups
}

// eachLine calls visit with the fields of each line that has at least fieldsMin of them, until it returns false.
func eachLine(path string, fieldsMin int, visit func(fields []string) bool) {
	file, err := os.Open(path)
	if err != nil {
		return
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if fields := strings.Split(lines.Text(), ":"); len(fields) >= fieldsMin && !visit(fields) {
			return
		}
	}
}

// credential is for a process of this identity; nil when it is the helper's own.
func (id *identity) credential() *syscall.Credential {
	if !id.isSwitched {
		return nil
	}
	groups := make([]uint32, len(id.groups))
	for i, group := range id.groups {
		groups[i] = uint32(group)
	}
	return &syscall.Credential{Uid: uint32(id.uid), Gid: uint32(id.gid), Groups: groups}
}

// do runs act with the file permissions of this identity. Linux keeps them per thread: act runs on a thread of its own,
// which ends with it, and must not start goroutines that touch files.
func (id *identity) do(act func() error) error {
	if !id.isSwitched {
		return act()
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // Never unlocked: the runtime ends the thread.
		if err := id.becomeOnThread(); err != nil {
			done <- err
			return
		}
		done <- act()
	}()
	return <-done
}

// becomeOnThread changes who the calling thread is to the file system. setfsuid reports no errors, and a failure would
// leave root's permissions: so what came of it is asked for. Going from 0 to another uid drops the capabilities that
// override file permissions (capabilities(7)).
func (id *identity) becomeOnThread() error {
	groups := make([]uint32, len(id.groups)+1)
	for i, group := range id.groups {
		groups[i] = uint32(group)
	}
	if err := setThreadGroups(groups[:len(id.groups)]); err != nil {
		return fmt.Errorf("take the groups of user %d: %w", id.uid, err)
	}
	if setThreadFsgid(id.gid); setThreadFsgid(-1) != id.gid {
		return fmt.Errorf("the helper may not take group %d", id.gid)
	}
	if setThreadFsuid(id.uid); setThreadFsuid(-1) != id.uid {
		return fmt.Errorf("the helper may not take user %d", id.uid)
	}
	return nil
}
