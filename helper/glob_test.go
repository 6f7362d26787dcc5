package main

import (
	"strings"
	"testing"
)

func TestPatternsMatchWholeRelativePaths(t *testing.T) {
	for _, one := range []struct {
		pattern, path string
		isMatch       bool
	}{
		{"*", "a", true},
		{"*", ".hidden", true},
		{"*", "a/b", false},
		{"**", "a", true},
		{"**", "a/b/.c", true},
		{"a/**", "a", false},
		{"a/**", "a/b", true},
		{"a/**", "a/b/c", true},
		{"a/**/**", "a/b", true},
		{"a/**/**", "a", false},
		{"**/c", "c", true},
		{"**/c", "b/c", true},
		{"**/c", "a/b/c", true},
		{"**/c", "a/b/cc", false},
		{"a/**/b", "a/b", true},
		{"a/**/b", "a/x/y/b", true},
		{"a/**/b/**/c", "a/b/x/b/c", true},
		{"a/**/b/*", "a/b/c/b/d", true},
		{"abc**", "abcd", true},
		{"abc**", "abc/b", false},
		{"a*c", "abbc", true},
		{"a*c*e", "abcde", true},
		{"a*c*e", "abcdf", false},
		{"*a*", "bab", true},
		{"?", "ä", true},
		{"?", "ab", false},
		{"?", "\xff", true},
		{"??", "\xff\xfe", true},
		{"[abc]", "b", true},
		{"[^abc]", "b", false},
		{"[^abc]", "d", true},
		{"[!a]", "!", true},
		{"[a-c]x", "bx", true},
		{"[ä-ü]", "ö", true},
		{`[\]]`, "]", true},
		{`[\-a]`, "-", true},
		{"[{]", "{", true},
		{"{a,b}", "b", true},
		{"{a,b}", "c", false},
		{"{a/b,c}/d", "a/b/d", true},
		{"{a/b,c}/d", "c/d", true},
		{"x{,y}", "x", true},
		{"x{a,{b,c}d}", "xcd", true},
		{"{**/a,b}", "x/y/a", true},
		{`\*`, "*", true},
		{`\*`, "a", false},
		{`\{a,b\}`, "{a,b}", true},
		{"./a", "a", false},
		{"/a", "a", false},
		{"a", "a/b", false},
		{"a/b", "a", false},
		{"dist/*.js", "dist/x.js", true},
		{"dist/*.js", "dist/x/y.js", false},
		{"new\nline", "new\nline", true},
	} {
		parsed, err := parseGlob(one.pattern)
		if err != nil {
			t.Errorf("%q: %v", one.pattern, err)
		} else if parsed.match(strings.Split(one.path, "/")) != one.isMatch {
			t.Errorf("%q against %q: want %v", one.pattern, one.path, one.isMatch)
		}
	}
}

func TestMalformedPatternsAreErrors(t *testing.T) {
	for _, pattern := range []string{"[", "[a", "[]", "[]a]", "[a-]", "[-a]", `a\`, "{a", "{a,{b}", "[^]", strings.Repeat("{a,b}", 20)} {
		if _, err := parseGlob(pattern); err == nil {
			t.Errorf("%q was accepted", pattern)
		}
	}
}

func TestDirectoriesAreEnteredOnlyWhereSomethingMayMatch(t *testing.T) {
	for _, one := range []struct {
		pattern, dir string
		mayMatch     bool
	}{
		{"dist/**", "dist", true},
		{"dist/**", "dist/a/b", true},
		{"dist/**", "node_modules", false},
		{"dist/*", "dist/a", false},
		{"**/x", "any/where", true},
		{"a/**/b", "a/x", true},
		{"a", "a", false},
		{"{a,b}/c", "b", true},
	} {
		parsed, err := parseGlob(one.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if parsed.mayMatchBelow(strings.Split(one.dir, "/")) != one.mayMatch {
			t.Errorf("%q below %q: want %v", one.pattern, one.dir, one.mayMatch)
		}
	}
}
