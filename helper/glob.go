package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The pattern language of doublestar: `*`, `?`, classes with `^`, `{a,b}` that may nest and contain `/`, `\c`, and `**`
// as a whole path element for any number of elements (one or more at the end).

// globAlternativesMax bounds what the braces of one pattern expand to.
const globAlternativesMax = 4096

type glob struct{ alternatives [][]globElement }

type globElement struct {
	isAny   bool // `**`
	pattern string
}

func parseGlob(pattern string) (*glob, error) {
	expanded, err := expandBraces(pattern, globAlternativesMax)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", pattern, err)
	}
	parsed := &glob{}
	for _, alternative := range expanded {
		var elements []globElement
		for _, text := range splitElements(alternative) {
			if err := checkElement(text); err != nil {
				return nil, fmt.Errorf("pattern %q: %w", pattern, err)
			}
			elements = append(elements, globElement{isAny: text == "**", pattern: text})
		}
		parsed.alternatives = append(parsed.alternatives, elements)
	}
	return parsed, nil
}

// match tells whether the whole relative path, given by its elements, matches.
func (g *glob) match(path []string) bool {
	for _, alternative := range g.alternatives {
		if matchElements(alternative, path) {
			return true
		}
	}
	return false
}

// mayMatchBelow tells whether something under the directory could match.
func (g *glob) mayMatchBelow(dir []string) bool {
	for _, alternative := range g.alternatives {
		if isPrefixPossible(alternative, dir) {
			return true
		}
	}
	return false
}

// matchElements goes back only to the last `**`: a later one makes the choices of an earlier one irrelevant.
func matchElements(pattern []globElement, path []string) bool {
	p, n := 0, 0
	backPattern, backPath := -1, 0
	for n < len(path) {
		switch {
		case p < len(pattern) && pattern[p].isAny:
			if p == len(pattern)-1 {
				return true // The last one takes all that is left: at least one element, as n < len(path).
			}
			p++
			backPattern, backPath = p, n
			continue
		case p < len(pattern) && matchElement(pattern[p].pattern, path[n]):
			p, n = p+1, n+1
			continue
		}
		if backPattern < 0 {
			return false
		}
		backPath++
		p, n = backPattern, backPath
	}
	return p == len(pattern)
}

func isPrefixPossible(pattern []globElement, dir []string) bool {
	for i, element := range dir {
		if i >= len(pattern) {
			return false
		}
		if pattern[i].isAny {
			return true
		}
		if !matchElement(pattern[i].pattern, element) {
			return false
		}
	}
	return len(pattern) > len(dir)
}

// expandBraces returns the pattern without `{}`: one per combination of alternatives.
func expandBraces(pattern string, max int) ([]string, error) {
	open, err := indexUnescaped(pattern, 0, '{')
	if err != nil || open < 0 {
		return []string{pattern}, err
	}
	var alternatives []string
	depth, start := 1, open+1
	end := -1
	for i := start; i < len(pattern) && end < 0; i++ {
		switch pattern[i] {
		case '\\':
			i++
		case '[':
			if i, err = classEnd(pattern, i); err != nil {
				return nil, err
			}
			i--
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				alternatives = append(alternatives, pattern[start:i])
				end = i
			}
		case ',':
			if depth == 1 {
				alternatives = append(alternatives, pattern[start:i])
				start = i + 1
			}
		}
	}
	if end < 0 {
		return nil, fmt.Errorf("{ without }")
	}
	var expanded []string
	for _, alternative := range alternatives {
		rest, err := expandBraces(pattern[:open]+alternative+pattern[end+1:], max-len(expanded))
		if err != nil {
			return nil, err
		}
		if expanded = append(expanded, rest...); len(expanded) > max {
			return nil, fmt.Errorf("more than %d alternatives", globAlternativesMax)
		}
	}
	return expanded, nil
}

// indexUnescaped finds wanted outside of classes and not after a backslash; -1 when there is none.
func indexUnescaped(pattern string, from int, wanted byte) (int, error) {
	for i := from; i < len(pattern); i++ {
		switch pattern[i] {
		case wanted:
			return i, nil
		case '\\':
			i++
		case '[':
			end, err := classEnd(pattern, i)
			if err != nil {
				return -1, err
			}
			i = end - 1
		}
	}
	return -1, nil
}

func splitElements(pattern string) []string {
	var elements []string
	start := 0
	for {
		slash, err := indexUnescaped(pattern, start, '/')
		if err != nil || slash < 0 {
			return append(elements, pattern[start:])
		}
		elements = append(elements, pattern[start:slash])
		start = slash + 1
	}
}

func checkElement(pattern string) error {
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '\\':
			if i++; i >= len(pattern) {
				return fmt.Errorf("\\ at the end")
			}
		case '[':
			end, err := classEnd(pattern, i)
			if err != nil {
				return err
			}
			i = end - 1
		}
	}
	return nil
}

// classEnd returns the index after the class that begins at open. `-` and `]` at an edge must be escaped.
func classEnd(pattern string, open int) (int, error) {
	end, _, err := readClass(pattern, open, utf8.RuneError)
	return end, err
}

// readClass also tells whether r is in the class.
func readClass(pattern string, open int, r rune) (end int, isIn bool, err error) {
	i := open + 1
	isNegated := i < len(pattern) && pattern[i] == '^'
	if isNegated {
		i++
	}
	for count := 0; ; count++ {
		if i < len(pattern) && pattern[i] == ']' && count > 0 {
			return i + 1, isIn != isNegated, nil
		}
		low, next, err := classRune(pattern, i)
		if err != nil {
			return 0, false, err
		}
		high := low
		i = next
		if i < len(pattern) && pattern[i] == '-' {
			if high, i, err = classRune(pattern, i+1); err != nil {
				return 0, false, err
			}
		}
		if low <= r && r <= high {
			isIn = true
		}
	}
}

func classRune(pattern string, i int) (rune, int, error) {
	if i >= len(pattern) {
		return 0, 0, fmt.Errorf("[ without ]")
	}
	if pattern[i] == '-' || pattern[i] == ']' {
		return 0, 0, fmt.Errorf("%c at the edge of a class must be escaped", pattern[i])
	}
	if pattern[i] == '\\' {
		if i++; i >= len(pattern) {
			return 0, 0, fmt.Errorf("\\ at the end")
		}
	}
	r, size := utf8.DecodeRuneInString(pattern[i:])
	return r, i + size, nil
}

// matchElement matches one checked pattern element, without `/`, against one name.
func matchElement(pattern, name string) bool {
	p, n := 0, 0
	backPattern, backName := -1, 0
	for {
		if p < len(pattern) && pattern[p] == '*' {
			p++
			backPattern, backName = p, n
			continue
		}
		if n == len(name) && p == len(pattern) {
			return true
		}
		if n < len(name) && p < len(pattern) {
			if nextPattern, nextName, ok := matchOne(pattern, p, name, n); ok {
				p, n = nextPattern, nextName
				continue
			}
		}
		if backPattern < 0 || backName >= len(name) {
			return false
		}
		_, size := utf8.DecodeRuneInString(name[backName:])
		backName += size
		p, n = backPattern, backName
	}
}

func matchOne(pattern string, p int, name string, n int) (int, int, bool) {
	r, size := utf8.DecodeRuneInString(name[n:])
	switch pattern[p] {
	case '?':
		return p + 1, n + size, true
	case '[':
		end, isIn, err := readClass(pattern, p, r)
		return end, n + size, err == nil && isIn
	case '\\':
		p++
	}
	// Bytes, not runes: names need not be UTF-8.
	return p + 1, n + 1, strings.HasPrefix(name[n:], pattern[p:p+1])
}
