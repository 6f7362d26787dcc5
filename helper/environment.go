package main

import (
	"os"
	"path/filepath"
	"sort"
	"strings"
)

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// markerVariable marks every process of a step, so that kill finds those that left its session.
const markerVariable = "SLIPWAY_STEP"

// scope is where the paths of a request are looked up: who, with which environment, from which directory.
type scope struct {
	who        *identity
	variables  map[string]string
	workingDir string
}

func newScope(req *request) (*scope, error) {
	who, err := resolveIdentity(req.User)
	if err != nil {
		return nil, err
	}
	sc := &scope{who: who, variables: environmentOf(req, who)}
	base, err := os.Getwd()
	if err != nil {
		base = "/"
	}
	sc.workingDir = base
	if sc.workingDir, err = sc.expand(req.WorkingDir); err != nil {
		return nil, err
	}
	return sc, nil
}

// environmentOf merges without duplicates: programs disagree on which of two entries counts.
func environmentOf(req *request, who *identity) map[string]string {
	variables := map[string]string{}
	if req.Inherit {
		for _, entry := range os.Environ() {
			if name, value, ok := strings.Cut(entry, "="); ok {
				variables[name] = value
			}
		}
		// Container engines set HOME for the user of the exec, that is, for the helper: it is not the step's.
		if own := findUser(func(e passwdEntry) bool { return e.uid == os.Geteuid() }); who.uid != os.Geteuid() {
			if home := variables["HOME"]; own != nil && home == own.home || own == nil && home == "/root" {
				delete(variables, "HOME")
			}
		}
		delete(variables, "PWD")
		delete(variables, "OLDPWD")
	}
	for name, value := range req.Environment {
		variables[name] = value
	}
	setDefault := func(name, value string) {
		if _, isSet := variables[name]; !isSet && value != "" {
			variables[name] = value
		}
	}
	if variables["HOME"] == "" {
		variables["HOME"] = who.home
	}
	setDefault("USER", who.name)
	setDefault("LOGNAME", who.name)
	setDefault("PATH", defaultPath)
	return variables
}

func entriesOf(variables map[string]string) []string {
	entries := make([]string, 0, len(variables))
	for name, value := range variables {
		entries = append(entries, name+"="+value)
	}
	sort.Strings(entries)
	return entries
}

// expand makes path absolute: `~` is the home, empty the working directory.
func (sc *scope) expand(path string) (string, error) {
	switch {
	case path == "~" || strings.HasPrefix(path, "~/"):
		return filepath.Join(sc.variables["HOME"], path[1:]), nil
	case strings.HasPrefix(path, "~"):
		return "", fail("refused", "cannot expand %q: only ~ and ~/ name a home directory", path)
	case filepath.IsAbs(path):
		return filepath.Clean(path), nil
	}
	return filepath.Join(sc.workingDir, path), nil
}
