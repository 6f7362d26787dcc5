// The rows of the three large tables were printed by Go's text/template, with the functions below.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { limits } from '../../../lib/limits.ts'
import { malformed, type Parsed, parsed } from '../parsed.ts'
import { evaluateTemplate, type TemplateFunctions } from './evaluate-template.ts'
import { neededFacts } from './needed-facts.ts'
import { parseTemplate } from './parse-template.ts'

const environment: Readonly<Record<string, string>> = { NAME: 'value', BRANCH: 'feature/x', EMPTY: '', N: '5' }

const digest = (name: string) => async (file: string) =>
  file === 'missing' ? malformed('open missing: no such file or directory') : parsed(`${name}(${file})`)

const functions: TemplateFunctions = {
  md5sum: digest('md5'),
  sha256sum: digest('sha'),
  env: async (name) => environment[name] ?? '',
  constants: async () => ({
    os: 'linux',
    arch: 'amd64',
    unixtime: 1700000000123456789n,
    year: '2023',
    month: '11',
    day: '04',
  }),
}

async function evaluated(text: string, given: TemplateFunctions = functions): Promise<Parsed<string>> {
  const template = parseTemplate(text)
  return template.ok ? evaluateTemplate(template.value, given) : template
}

test.each([
  ['plain text', 'plain text'],
  ['npm-{{ md5sum "package-lock.json" }}', 'npm-md5(package-lock.json)'],
  ['{{ sha256sum "a" }}-{{ sha256sum "b" }}', 'sha(a)-sha(b)'],
  ['{{os}}-{{arch}}', 'linux-amd64'],
  ['{{year}}-{{month}}-{{day}}', '2023-11-04'],
  ['{{unixtime}}', '1700000000123456789'],
  ['{{ env "NAME" }}', 'value'],
  ['{{ env "NOPE" }}', ''],
  ['{{ env "BRANCH" | urlquery }}', 'feature%2Fx'],
  ['{{ .Environment.X }}', '<no value>'],
  ['{{ .Environment }}', 'map[]'],
  ['{{ . }}', '{map[]}'],
  ['{{ $ }}', '{map[]}'],
  ['{{ .Environment.X.Y.Z }}', '<no value>'],
  ['{{ md5sum (print 1 2) }}', 'md5(1 2)'],
  ['{{- "a" -}} b', 'ab'],
  ['a {{- "b" }} c', 'ab c'],
  ['a {{ "b" -}} c', 'a bc'],
  ['a  {{- /* comment */ -}}  b', 'ab'],
  ['a {{/* comment */}} b', 'a  b'],
  ['a {{- /* x */}} b', 'a b'],
  ['b */}}c', 'b */}}c'],
  ['{{"a"}}{{"b"}}', 'ab'],
  ['{{ "a\\tb\\n\\"q\\" \\u00e9 \\x41 \\101 \\U0001F600" }}', 'a\tb\n"q" é A A 😀'],
  ['{{ `raw \\n "x"` }}', 'raw \\n "x"'],
  ["{{ 'a' }}", '97'],
  ["{{ '\\n' }}", '10'],
  ["{{ '\\'' }}", '39'],
  ['{{ 12 }}', '12'],
  ['{{ -12 }}', '-12'],
  ['{{ +12 }}', '12'],
  ['{{ 0x1F }}', '31'],
  ['{{ 0b11 }}', '3'],
  ['{{ 0o17 }}', '15'],
  ['{{ 017 }}', '15'],
  ['{{ 1_000 }}', '1000'],
  ['{{ 1.5 }}', '1.5'],
  ['{{ .5 }}', '0.5'],
  ['{{ 1e3 }}', '1000'],
  ['{{ 1e100 }}', '1e+100'],
  ['{{ 1.0 }}', '1'],
  ['{{ 1e3 | printf "%d" }}', '%!d(float64=1000)'],
  ['{{ 0x1p4 }}', '16'],
  ['{{ 9223372036854775807 }}', '9223372036854775807'],
  ['{{ true }} {{ false }}', 'true false'],
  ['{{ print nil }}', '<nil>'],
  ['{{ print }}', ''],
  ['{{ println }}', '\n'],
  ['{{ print 1 2 "a" "b" 3 4 true nil }}', '1 2ab3 4 true <nil>'],
  ['{{ println 1 "a" "b" 2 }}', '1 a b 2\n'],
  ['{{ print "a" 1 2 "b" }}', 'a1 2b'],
  ['{{ print .Environment.X }}', '<nil>'],
  ['{{ printf "%v" .Environment.X }}', '<nil>'],
  ['{{ len "héllo" }}', '6'],
  ['{{ len .Environment }}', '0'],
  ['{{ index "abc" 1 }}', '98'],
  ['{{ index "abc" }}', 'abc'],
  ['{{ index .Environment "X" }}', ''],
  ['{{ slice "abcdef" 1 3 }}', 'bc'],
  ['{{ slice "abcdef" 2 }}', 'cdef'],
  ['{{ slice "abcdef" }}', 'abcdef'],
  ['{{ md5sum "x" | printf "%.3s" }}', 'md5'],
  ['{{ slice (md5sum "x") 0 3 }}', 'md5'],
  ['{{ html "<a href=\'x\'>&\\"" }}', '&lt;a href=&#39;x&#39;&gt;&amp;&#34;'],
  ['{{ js "it\'s \\"<>&=\\\\ \\n é" }}', 'it\\\'s \\"\\u003C\\u003E\\u0026\\u003D\\\\ \\u000A é'],
  ['{{ urlquery "a b&c=d/e?é~-_.!*\'()" }}', 'a+b%26c%3Dd%2Fe%3F%C3%A9~-_.%21%2A%27%28%29'],
  ['{{ html 1 "a" }}', '1a'],
  ['{{ html }}', ''],
  ['{{ js nil }}', '\\u003Cno value\\u003E'],
  ['{{ and 1 2 }}', '2'],
  ['{{ and 0 2 }}', '0'],
  ['{{ and 1 0 }}', '0'],
  ['{{ or 0 2 }}', '2'],
  ['{{ or 1 2 }}', '1'],
  ['{{ or "" nil "x" }}', 'x'],
  ['{{ and false (md5sum "missing") }}', 'false'],
  ['{{ or true (md5sum "missing") }}', 'true'],
  ['{{ 1 | and 2 }}', '1'],
  ['{{ 1 | and 0 }}', '0'],
  ['{{ and nil 1 }}', '<no value>'],
  ['{{ not 0 }}', 'true'],
  ['{{ not "x" }}', 'false'],
  ['{{ not nil }}', 'true'],
  ['{{ eq 1 1 }}', 'true'],
  ['{{ eq 1 2 1 }}', 'true'],
  ['{{ eq "a" "a" }}', 'true'],
  ['{{ eq "a" "b" }}', 'false'],
  ['{{ eq true true }}', 'true'],
  ['{{ eq nil nil }}', 'true'],
  ['{{ eq 1 nil }}', 'false'],
  ['{{ eq nil 1 }}', 'false'],
  ['{{ eq .Environment .Environment }}', 'true'],
  ['{{ eq (index "a" 0) 97 }}', 'true'],
  ['{{ ne 1 2 }}', 'true'],
  ['{{ ne 1 1 }}', 'false'],
  ['{{ ne nil nil }}', 'false'],
  ['{{ lt 1 2 }}', 'true'],
  ['{{ lt "a" "b" }}', 'true'],
  ['{{ lt 1.5 2.5 }}', 'true'],
  ['{{ le 1 1 }}', 'true'],
  ['{{ le 2 1 }}', 'false'],
  ['{{ gt 2 1 }}', 'true'],
  ['{{ gt "a" "b" }}', 'false'],
  ['{{ ge 1 1 }}', 'true'],
  ['{{ if true }}a{{ end }}', 'a'],
  ['{{ if false }}a{{ else }}b{{ end }}', 'b'],
  ['{{ if 0 }}a{{ else if 1 }}b{{ else }}c{{ end }}', 'b'],
  ['{{ if 0 }}a{{ else if 0 }}b{{ else }}c{{ end }}', 'c'],
  ['{{ if "" }}a{{ end }}x', 'x'],
  ['{{ if .Environment }}a{{ else }}b{{ end }}', 'b'],
  ['{{ if . }}a{{ else }}b{{ end }}', 'a'],
  ['{{ if env "NAME" }}{{ env "NAME" }}{{ end }}', 'value'],
  ['{{ if eq os "linux" }}L{{ else }}O{{ end }}', 'L'],
  ['{{ with "x" }}{{ . }}{{ end }}', 'x'],
  ['{{ with "" }}{{ . }}{{ else }}none{{ end }}', 'none'],
  ['{{ with "" }}a{{ else with "y" }}{{ . }}{{ end }}', 'y'],
  ['{{ with $x := "v" }}{{ $x }}{{ . }}{{ end }}', 'vv'],
  ['{{ with "x" }}{{ $ }}{{ end }}', '{map[]}'],
  ['{{ range 3 }}{{ . }}{{ end }}', '012'],
  ['{{ range $i := 3 }}{{ $i }},{{ end }}', '0,1,2,'],
  ['{{ range 0 }}a{{ else }}none{{ end }}', 'none'],
  ['{{ range -1 }}a{{ else }}none{{ end }}', 'none'],
  ['{{ range .Environment }}a{{ else }}none{{ end }}', 'none'],
  ['{{ range $k, $v := .Environment }}a{{ else }}none{{ end }}', 'none'],
  ['{{ range .Environment.X }}a{{ else }}none{{ end }}', 'none'],
  ['{{ range 5 }}{{ if eq . 3 }}{{ break }}{{ end }}{{ . }}{{ end }}', '012'],
  ['{{ range 5 }}{{ if eq . 3 }}{{ continue }}{{ end }}{{ . }}{{ end }}', '0124'],
  ['{{ range 2 }}{{ range 2 }}{{ break }}{{ end }}{{ . }}{{ end }}', '01'],
  ['{{ $x := 5 }}{{ $x }}', '5'],
  ['{{ $x := 5 }}{{ $x = 6 }}{{ $x }}', '6'],
  ['{{ $x := 5 }}{{ if true }}{{ $x = 6 }}{{ end }}{{ $x }}', '6'],
  ['{{ $x := 5 }}{{ if true }}{{ $x := 6 }}{{ end }}{{ $x }}', '5'],
  ['{{ $x := 0 }}{{ range $i := 4 }}{{ $x = $i }}{{ end }}{{ $x }}', '3'],
  ['{{ $i := 9 }}{{ range $i = 4 }}{{ end }}{{ $i }}', '3'],
  ['{{ $x := .Environment.Y }}[{{ $x }}]', '[<no value>]'],
  ['{{ $x := . }}{{ $x.Environment }}', 'map[]'],
  ['{{ $.Environment.Foo }}', '<no value>'],
  ['{{ $x:=1 }}{{$x}}', '1'],
  ['{{ $ := 3 }}{{ $ }}', '3'],
  ['{{ "a" | printf "%s-%s" "b" }}', 'b-a'],
  ['{{ "a" | len | printf "%03d" }}', '001'],
  ['{{ (env "NAME") }}', 'value'],
  ['{{ (env "NAME") | len }}', '5'],
  ['{{ (.Environment).X }}', '<no value>'],
  ['{{ (.).Environment }}', 'map[]'],
  ['{{ ((((1)))) }}', '1'],
  ['{{ os | }}', 'linux'],
  ['{{ .1 }}', '0.1'],
  ['}}', '}}'],
  ['{{ -1 }}', '-1'],
  ['{{-1}}', '-1'],
  ['{{- 1 -}}', '1'],
  ['{{-  1  -}}', '1'],
  ['{ { x } }', '{ { x } }'],
  ['{{ "}}" }}', '}}'],
  ['{{ `}}` }}', '}}'],
  ['{{ print "{{" }}', '{{'],
  ['{{ print (printf "%d" 5) (len "abc") }}', '53'],
  ['{{ printf "%q" "a\\"b\\n\\té\\x00\\u200b😀" }}', '"a\\"b\\n\\té\\x00\\u200b😀"'],
  ['{{ printf "%+q" "é😀" }}', '"\\u00e9\\U0001f600"'],
  ['{{ printf "%#q" "ab" }}', '`ab`'],
  ['{{ printf "%#q" "a`b" }}', '"a`b"'],
  ['{{ printf "%x %X % x %#x % #x" "hé" "hé" "hé" "hé" "hé" }}', '68c3a9 68C3A9 68 c3 a9 0x68c3a9 0x68 0xc3 0xa9'],
  ['{{ printf "%5s|%-5s|%05s|%.2s|%5.1s|" "ab" "ab" "ab" "abc" "abc" }}', '   ab|ab   |000ab|ab|    a|'],
  ['{{ printf "%s" 5 }}', '%!s(int=5)'],
  ['{{ printf "%d" "x" }}', '%!d(string=x)'],
  ['{{ printf "%d" 1.5 }}', '%!d(float64=1.5)'],
  ['{{ printf "%d" true }}', '%!d(bool=true)'],
  ['{{ printf "%s" true }}', '%!s(bool=true)'],
  ['{{ printf "%t" true }}', 'true'],
  ['{{ printf "%t" 1 }}', '%!t(int=1)'],
  ['{{ printf "%v %v %v %v" 1 "a" 1.5 true }}', '1 a 1.5 true'],
  [
    '{{ printf "%5d|%-5d|%05d|%+d|% d|%+05d|%x|%X|%o|%b|%#x|%#o|%#b|%O" 42 42 42 42 42 42 42 42 42 42 42 42 42 42 }}',
    '   42|42   |00042|+42| 42|+0042|2a|2A|52|101010|0x2a|052|0b101010|0o52',
  ],
  [
    '{{ printf "%d %x %o %b %05d %.3d %6.3d %-6.3d|" -42 -42 -42 -42 -42 -42 -42 -42 }}',
    '-42 -2a -52 -101010 -0042 -042   -042 -042  |',
  ],
  ['{{ printf "%.0d|%.0d" 0 1 }}', '|1'],
  [
    '{{ printf "%c%c %q %q %U %#U %U" 65 128512 65 10 65 128512 -1 }}',
    "A😀 'A' '\\n' U+0041 U+1F600 '😀' U+FFFFFFFFFFFFFFFF",
  ],
  ['{{ printf "%+q %#q" 233 233 }}', "'\\u00e9' 'é'"],
  ['{{ printf "%c" -1 }}', '�'],
  [
    '{{ printf "%f %.2f %8.3f|%-8.2f|%08.3f %+f %e %E %g %G %.3g" 1.5 1.555 3.14159 3.14159 3.14159 1.0 123456.789 123456.789 1e21 1e-7 1234567.0 }}',
    '1.500000 1.55    3.142|3.14    |0003.142 +1.000000 1.234568e+05 1.234568E+05 1e+21 1E-07 1.23e+06',
  ],
  [
    '{{ printf "%6.2f|% f|%+.1e|%08.2f|%-8.1f|" -1.5 1.5 12345.678 -3.14159 2.5 }}',
    ' -1.50| 1.500000|+1.2e+04|-0003.14|2.5     |',
  ],
  ['{{ printf "%v %g %f" 1e6 1e20 1e20 }}', '1e+06 1e+20 100000000000000000000.000000'],
  ['{{ printf "%s %f" 1.5 1 }}', '%!s(float64=1.5) %!f(int=1)'],
  ['{{ printf "%T %T %T %T %T %T" 1 "a" 1.5 true nil \'a\' }}', 'int string float64 bool <nil> int'],
  ['{{ printf "%T" .Environment }}', 'map[string]string'],
  ['{{ printf "%v %d %s" .Environment .Environment .Environment }}', 'map[] map[] map[]'],
  ['{{ printf "%#v %#v %#v %#v %#v" 1 "a" 1.5 true 1e6 }}', '1 "a" 1.5 true 1e+06'],
  ['{{ printf "%#v" nil }}', '<nil>'],
  ['{{ printf "%+v %+v" 1 "a" }}', '1 a'],
  ['{{ printf "%d" nil }}', '%!d(<nil>)'],
  ['{{ printf "%s %v" nil nil }}', '%!s(<nil>) <nil>'],
  ['{{ printf "%" }}', '%!(NOVERB)'],
  ['{{ printf "%%" }}', '%'],
  ['{{ printf "100%" }}', '100%!(NOVERB)'],
  ['{{ printf "%d" }}', '%!d(MISSING)'],
  ['{{ printf "%d %d" 1 }}', '1 %!d(MISSING)'],
  ['{{ printf "%d" 1 2 "x" nil 1.5 }}', '1%!(EXTRA int=2, string=x, <nil>, float64=1.5)'],
  ['{{ printf "none" 1 }}', 'none%!(EXTRA int=1)'],
  ['{{ printf "%z" 1 }}', '%!z(int=1)'],
  ['{{ printf "%z" }}', '%!z(MISSING)'],
  ['{{ printf "%!" }}', '%!!(MISSING)'],
  ['{{ printf "%-" }}', '%!(NOVERB)'],
  ['{{ printf "%é" 1 }}', '%!é(int=1)'],
  ['{{ printf "%*d|%-*d|%.*f" 5 42 5 42 2 3.14159 }}', '   42|42   |3.14'],
  ['{{ printf "%*d" "x" 42 }}', '%!(BADWIDTH)42'],
  ['{{ printf "%.*d" "x" 42 }}', '%!(BADPREC)42'],
  ['{{ printf "%*d" -5 42 }}', '42   '],
  ['{{ printf "%[2]d %[1]d" 1 2 }}', '2 1'],
  ['{{ printf "%[2]*[1]d" 2 5 }}', '    2'],
  ['{{ printf "%[3]d" 1 }}', '%!d(BADINDEX)'],
  ['{{ printf "%[x]d" 1 }}', '%!d(BADINDEX)'],
  ['{{ printf "%[1]d %d" 1 2 }}', '1 2'],
  ['{{ printf "%[1" 1 }}', '%!(NOVERB)'],
  ['{{ printf "%2147483648d" 1 }}', '%!(NOVERB)%!(EXTRA int=1)'],
  ['{{ printf "%w" 1 }}', '%!w(int=1)'],
  ['{{ printf "%p" "x" }}', '%!p(string=x)'],
  ['{{ printf (print 1) }}', '1'],
  ['{{ printf "%s" . }}', '{map[]}'],
  ['{{ printf "%v" $ }}', '{map[]}'],
  ['{{ printf "%x" "" }}', ''],
  ['{{ printf "%X" -255 }}', '-FF'],
  ['{{ printf "%08b" 5 }}', '00000101'],
  ['{{ printf "%+x" 255 }}', '+ff'],
  ['{{ printf "% d" -5 }}', '-5'],
  ['{{ printf "%#08x" 255 }}', '0x000000ff'],
  ['{{ printf "%-08d|" 42 }}', '42      |'],
  ['{{ printf "%6q" "a" }}', '   "a"'],
  ['{{ printf "%06q" "a" }}', '000"a"'],
  ['{{ printf "%t|%6t|%-6t|%06t" true true false true }}', 'true|  true|false |00true'],
  ['{{ printf "%5v|%-5v|%05v" "a" 1 2 }}', '    a|1    |00002'],
  ['{{ printf "%5t" 1 }}', '%!t(int=    1)'],
  ['{{ printf "%6.2v" 3.14159 }}', '   3.1'],
  ['{{ printf "%.3v" "abcdef" }}', 'abc'],
  ['{{ printf "%.3x" "abcdef" }}', '616263'],
  ['{{ printf "%3c|%-3c|%03c" 65 65 65 }}', '  A|A  |00A'],
  ['{{ printf "%g %g %g" 100000.0 1000000.0 0.00001 }}', '100000 1e+06 1e-05'],
  ['{{ printf "%+g % g" 1.5 1.5 }}', '+1.5  1.5'],
  ['{{ printf "%5.f|" 2.5 }}', '    2|'],
  ['{{ printf "%d" (index "a" 0) }}', '97'],
  ['{{ printf "%T %v %c %#v" (index "a" 0) (index "a" 0) (index "a" 0) (index "a" 0) }}', 'uint8 97 a 0x61'],
  ['line1', 'line1'],
  ['{{ "a" }}', 'a'],
  ['{{ "x" | printf "%s %s" | len }}', '14'],
  ['{{ len (print "a" "b") | printf "%d-%s" 1 }}', '1-%!s(int=2)'],
  ['{{ 3 | printf "%d" | print "n" }}', 'n3'],
  ['{{ print .Environment . }}', 'map[] {map[]}'],
  ['{{ index .Environment }}', 'map[]'],
  ['{{ .Environment.A.B 1 }}', '<no value>'],
  ['{{ unixtime | printf "%d" }}', '1700000000123456789'],
  ['{{ printf "%.10s" (print unixtime) }}', '1700000000'],
  ['{{ print (.Environment.X) }}', '<nil>'],
  ['{{ with .Environment.X }}a{{ else }}b{{ end }}', 'b'],
  ['{{ if and (eq os "linux") (ne arch "arm64") }}y{{ end }}', 'y'],
  ['{{ if or (eq os "x") (gt (len "abc") 2) }}y{{ end }}', 'y'],
  ['{{ print (1) (2) }}', '1 2'],
  ['{{ "a"| print }}', 'a'],
  ['{{ $x:=(print "a") }}{{$x}}', 'a'],
  ['{{ if $x := 5 }}{{ $x }}{{ else }}{{ $x }}{{ end }}', '5'],
  ['{{ range 2 -}}  a  {{- end }}', 'aa'],
  ['{{ not true | not }}', 'true'],
  ['{{ printf "%s" "a" "b" | len }}', '19'],
  ['{{ "<b>" | html | printf "%s!" }}', '&lt;b&gt;!'],
  ['{{ "%d" | printf }}', '%!d(MISSING)'],
  ['{{ 5 | printf "%d %d" 4 }}', '4 5'],
  ['{{ if\n true }}x{{ end }}', 'x'],
  ['{{ print\n "a"\n "b" }}', 'ab'],
  ['{{/* a\nb */}}c', 'c'],
  ['{{ print `a\nb` }}', 'a\nb'],
  ['a \n\n{{- 1 -}}\n\n b', 'a1b'],
  ['{{ print 1 |\n len }}', '1'],
  ['{{ $x := 1\n}}{{$x}}', '1'],
  ['\t{{- 1}}', '1'],
  ['{{ `a\r\nb` }}', 'a\nb'],
  ['{{ if true -}}\n a\n{{- end }}', 'a'],
  ["x{{ 'é' }}{{ '\\u00e9' }}", 'x233233'],
  ["{{ '\\x41' }}", '65'],
  ['{{ printf "%.2T" 2.5 }}', 'fl'],
  ['{{ printf "%#U" "a b" }}', '%!U(string=a b)'],
  ['{{ printf "%+5.5d" "x" }}', '%!d(string=    x)'],
  ['{{ printf "%#d" 1 "x" }}', '1%!(EXTRA string=x)'],
  ['{{ eq .Environment nil }}', 'true'],
  ['{{ eq nil 1 nil }}', 'true'],
  ['{{ eq . nil }}', 'false'],
  ['{{ printf "%+v|%+d" 1.5 1 }}', '1.5|+1'],
  ['{{ printf "%+q|%+x|% X" "é" "é" "é" }}', '"\\u00e9"|c3a9|C3 A9'],
  ['{{ printf "%05d|%-05d|%+05d" -3 -3 3 }}', '-0003|-3   |+0003'],
] as const)('%j gives %j', async (text, output) => {
  expect(await evaluated(text)).toEqual({ ok: true, value: output })
})

test.each([
  ['{{ md5sum package.json }}', 1, 'function "package" not defined'],
  ['{{/* a', 1, 'unclosed comment'],
  ['{{ /* x */ }}', 1, 'unexpected "/" in command'],
  ['{{/* x }}', 1, 'unclosed comment'],
  ['{{/* x */ }}', 1, 'comment ends before closing delimiter'],
  ["{{ 'ab' }}", 1, "malformed character constant: 'ab'"],
  ["{{ '' }}", 1, 'invalid syntax'],
  ['{{ "\\q" }}', 1, 'invalid syntax'],
  ['{{ "\\\'" }}', 1, 'invalid syntax'],
  ['{{ "unterminated }}', 1, 'unterminated quoted string'],
  ['{{ `unterminated }}', 1, 'unterminated raw quoted string'],
  ["{{ 'u }}", 1, 'unterminated character constant'],
  ['{{ 99999999999999999999 }}', 1, 'integer overflow: "99999999999999999999"'],
  ['{{ 08 }}', 1, 'integer overflow: "08"'],
  ['{{ 1x }}', 1, 'bad number syntax: "1x"'],
  ['{{ 0xg }}', 1, 'bad number syntax: "0xg"'],
  ['{{ 1__0 }}', 1, 'illegal number syntax: "1__0"'],
  ['{{ if }}a{{ end }}', 1, 'missing value for if'],
  ['{{ if 1 }}a', 1, 'unexpected EOF'],
  ['{{ if 1 }}a{{ else }}b', 1, 'unexpected EOF'],
  ['{{ if 1 }}a{{ else }}b{{ else }}c{{ end }}', 1, 'expected end; found {{else}}'],
  ['{{ end }}', 1, 'unexpected {{end}}'],
  ['{{ else }}', 1, 'unexpected {{else}}'],
  ['{{ if 1 }}{{ end x }}', 1, 'unexpected "x" in end'],
  ['{{ else if }}', 1, 'unexpected {{else}}'],
  ['{{ break }}', 1, '{{break}} outside {{range}}'],
  ['{{ if 1 }}{{ continue }}{{ end }}', 1, '{{continue}} outside {{range}}'],
  ['{{ range 3 }}{{ break x }}{{ end }}', 1, 'unexpected "x" in {{break}}'],
  ['{{ range $i, $j, $k := 3 }}{{ end }}', 1, 'too many declarations in range'],
  ['{{ range $i, 3 }}{{ end }}', 1, 'range can only initialize variables'],
  ['{{ $x, $y := 3 }}', 1, 'too many declarations in command'],
  ['{{ range }}{{ end }}', 1, 'missing value for range'],
  ['{{ $x }}', 1, 'undefined variable "$x"'],
  ['{{ if true }}{{ $y := 1 }}{{ end }}{{ $y }}', 1, 'undefined variable "$y"'],
  ['{{ $x = }}', 1, 'missing value for command'],
  ['{{ "a".Foo }}', 1, 'unexpected . after term "\\"a\\""'],
  ['{{ 1.Foo }}', 1, 'bad number syntax: "1.F"'],
  ['{{ true.Foo }}', 1, 'unexpected . after term "true"'],
  ['{{ nil.Foo }}', 1, 'unexpected . after term "nil"'],
  ['{{ (1 }}', 1, 'unclosed left paren'],
  ['{{ 1) }}', 1, 'unexpected right paren'],
  ['{{ () }}', 1, 'missing value for parenthesized pipeline'],
  ['{{ 1 | 2 }}', 1, 'non executable command in pipeline stage 2'],
  ['{{ os | 2 }}', 1, 'non executable command in pipeline stage 2'],
  ['{{ os | "x" }}', 1, 'non executable command in pipeline stage 2'],
  ['{{ os | . }}', 1, 'non executable command in pipeline stage 2'],
  ['{{ | os }}', 1, 'unexpected "|" in command'],
  ['{{ os || os }}', 1, 'unexpected "|" in command'],
  ['{{ foo }}', 1, 'function "foo" not defined'],
  ['{{ "a"b }}', 1, 'unexpected "b" in operand'],
  ['{{ a@b }}', 1, "bad character U+0040 '@'"],
  ['{{ @ }}', 1, 'unexpected "@" in command'],
  ['{{ é }}', 1, 'function "é" not defined'],
  ['{{ £ }}', 1, "unrecognized character in action: U+00A3 '£'"],
  ['{{ \\ }}', 1, 'unexpected "\\\\" in command'],
  ['{{ # }}', 1, 'unexpected "#" in command'],
  ['{{ ~ }}', 1, 'unexpected "~" in command'],
  ['{{ : }}', 1, 'expected :='],
  ['{{ = }}', 1, 'unexpected "=" in command'],
  ['{{ , }}', 1, 'unexpected "," in command'],
  ['{{ ] }}', 1, 'unexpected "]" in command'],
  ['{{ [1] }}', 1, 'unexpected "[" in command'],
  ['{{ % }}', 1, 'unexpected "%" in command'],
  ['{{ a.b }}', 1, 'function "a" not defined'],
  ['{{ .. }}', 1, 'unexpected <.> in operand'],
  ['{{ ... }}', 1, 'unexpected <.> in operand'],
  ['{{ .Environment. }}', 1, 'unexpected <.> in operand'],
  ['{{ $x. }}', 1, 'undefined variable "$x"'],
  ['{{', 1, 'unclosed action'],
  ['{{ ', 1, 'unclosed action'],
  ['{{ "x"', 1, 'unclosed action'],
  ['{{}}', 1, 'missing value for command'],
  ['{{ }}', 1, 'missing value for command'],
  ['{{-}}', 1, 'illegal number syntax: "-"'],
  ['{{- }}', 1, 'missing value for command'],
  ['{{--}}', 1, 'bad number syntax: "--"'],
  ['{{ - }}', 1, 'illegal number syntax: "-"'],
  ['{{ 1-}}', 1, 'bad number syntax: "1-"'],
  ['{{{ 1 }}}', 1, 'unexpected "{" in command'],
  ['{{ if true }}\\n{{ foo }}{{ end }}', 1, 'function "foo" not defined'],
  ['{{ if\\n true }}x{{ end }}', 1, "bad character U+005C '\\'"],
  ['{{ "multi\\nline }}', 1, 'unterminated quoted string'],
  ['{{ print\\n  "a"\\n  "b" }}', 1, "bad character U+005C '\\'"],
  ['{{ print"a" }}', 1, "bad character U+0022 '\"'"],
  ['{{ print("a") }}', 1, 'unexpected "(" in operand'],
  ['{{ print ("a")("b") }}', 1, 'unexpected "(" in operand'],
  ['{{ with $y := 3 }}{{ $y }}{{ end }}{{ $y }}', 1, 'undefined variable "$y"'],
  ['{{ range $x := 2 }}{{ $x }}{{ else }}{{ end }}{{ $x }}', 1, 'undefined variable "$x"'],
  ['{{ break 1 }}', 1, 'unexpected "1" in {{break}}'],
  ['{{ if true }}{{ if true }}a{{ end }}', 1, 'unexpected EOF'],
  ['{{ x := 1 }}', 1, 'function "x" not defined'],
  ['{{ 1 := 1 }}', 1, 'unexpected ":=" in operand'],
  ['{{ $x := 1, 2 }}', 1, 'unexpected "," in operand'],
  ['{{ range $x, $y := }}{{ end }}', 1, 'missing value for range'],
  ['{{ 1 | 1 }}', 1, 'non executable command in pipeline stage 2'],
  ['{{\n foo }}', 2, 'function "foo" not defined'],
  ['a\n{{ 1', 2, 'unclosed action'],
  ['a\n{{ "x\n}}', 2, 'unterminated quoted string'],
  ['{{ if true }}\n{{ foo }}{{ end }}', 2, 'function "foo" not defined'],
  ['{{ if 1 }}\n{{ else }}\n', 3, 'unexpected EOF'],
  ['{{ (1\n}}', 2, 'unclosed left paren in action started at key:1'],
  ['{{ print (1\n', 2, 'unclosed action started at key:1'],
  ['a\n{{\n\n@ }}', 4, 'unexpected "@" in command'],
  ['{{ "\\ud800" }}', 1, 'invalid syntax'],
  ['{{ 1-1 }}', 1, 'bad number syntax: "1-1"'],
] as const)('%j does not parse, line %d: %s', (text, line, message) => {
  expect(parseTemplate(text)).toEqual({ ok: false, message: `template: key:${line}: ${message}` })
})

test.each([
  ['{{ .Nope }}', '1:3', "<.Nope>: can't evaluate field Nope in type struct"],
  ['{{ md5sum "" }}', '1:3', '<md5sum "">: error calling md5sum: empty filename'],
  [
    '{{ md5sum "missing" }}',
    '1:3',
    '<md5sum "missing">: error calling md5sum: open missing: no such file or directory',
  ],
  ['{{ "missing" | md5sum }}', '1:15', '<md5sum>: error calling md5sum: open missing: no such file or directory'],
  ['{{ md5sum }}', '1:3', '<md5sum>: wrong number of args for md5sum: want 1 got 0'],
  ['{{ md5sum "a" "b" }}', '1:3', '<md5sum>: wrong number of args for md5sum: want 1 got 2'],
  ['{{ md5sum 1 }}', '1:10', '<1>: expected string; found 1'],
  ['{{ md5sum nil }}', '1:10', '<nil>: cannot assign nil to string'],
  ['{{ md5sum .Environment.X }}', '1:22', '<.Environment.X>: invalid value; expected string'],
  ['{{ md5sum true }}', '1:10', '<true>: expected string; found true'],
  ['{{ md5sum unixtime }}', '1:10', '<unixtime>: wrong type for value; expected string; got int'],
  ['{{ 5 | md5sum }}', '1:7', '<md5sum>: wrong type for value; expected string; got int'],
  ['{{ os "x" }}', '1:3', '<os>: wrong number of args for os: want 0 got 1'],
  ['{{ "x" | os }}', '1:9', '<os>: wrong number of args for os: want 0 got 1'],
  ['{{ 9223372036854775808 }}', '1:3', '<9223372036854775808>: 9223372036854775808 overflows int'],
  ['{{ nil }}', '1:3', '<nil>: nil is not a command'],
  ['{{ len 3 }}', '1:3', '<len 3>: error calling len: len of type int'],
  ['{{ len }}', '1:3', '<len>: wrong number of args for len: want 1 got 0'],
  ['{{ index "abc" -1 }}', '1:3', '<index "abc" -1>: error calling index: index out of range: -1'],
  ['{{ index "abc" "x" }}', '1:3', '<index "abc" "x">: error calling index: cannot index slice/array with type string'],
  ['{{ index "abc" nil }}', '1:3', '<index "abc" nil>: error calling index: cannot index slice/array with nil'],
  [
    '{{ index .Environment 1 }}',
    '1:3',
    '<index .Environment 1>: error calling index: value has type int; should be string',
  ],
  [
    '{{ index .Environment nil }}',
    '1:3',
    '<index .Environment nil>: error calling index: value is nil; should be of type string',
  ],
  ['{{ index 5 1 }}', '1:3', "<index 5 1>: error calling index: can't index item of type int"],
  ['{{ index nil 1 }}', '1:3', '<index nil 1>: error calling index: index of untyped nil'],
  ['{{ index "abc" 1 1 }}', '1:3', '<index "abc" 1 1>: error calling index: can\'t index item of type uint8'],
  ['{{ index }}', '1:3', '<index>: wrong number of args for index: want at least 1 got 0'],
  ['{{ slice "abcdef" 3 1 }}', '1:3', '<slice "abcdef" 3 1>: error calling slice: invalid slice index: 3 > 1'],
  ['{{ slice "abcdef" 7 }}', '1:3', '<slice "abcdef" 7>: error calling slice: index out of range: 7'],
  ['{{ slice "abcdef" 1 2 3 }}', '1:3', '<slice "abcdef" 1 2 3>: error calling slice: cannot 3-index slice a string'],
  ['{{ slice "abcdef" 1 2 3 4 }}', '1:3', '<slice "abcdef" 1 2 3 4>: error calling slice: too many slice indexes: 4'],
  ['{{ slice 5 1 }}', '1:3', "<slice 5 1>: error calling slice: can't slice item of type int"],
  ['{{ slice nil 1 }}', '1:3', '<slice nil 1>: error calling slice: slice of untyped nil'],
  ['{{ slice "abc" "x" }}', '1:3', '<slice "abc" "x">: error calling slice: cannot index slice/array with type string'],
  ['{{ and }}', '1:3', '<and>: wrong number of args for and: want at least 1 got 0'],
  ['{{ or }}', '1:3', '<or>: wrong number of args for or: want at least 1 got 0'],
  [
    '{{ and true (md5sum "missing") }}',
    '1:13',
    '<md5sum "missing">: error calling md5sum: open missing: no such file or directory',
  ],
  ['{{ not }}', '1:3', '<not>: wrong number of args for not: want 1 got 0'],
  ['{{ not 1 2 }}', '1:3', '<not>: wrong number of args for not: want 1 got 2'],
  ['{{ eq 1 1.0 }}', '1:3', '<eq 1 1.0>: error calling eq: incompatible types for comparison: int and float64'],
  ['{{ eq 1 "1" }}', '1:3', '<eq 1 "1">: error calling eq: incompatible types for comparison: int and string'],
  ['{{ eq 1 }}', '1:3', '<eq 1>: error calling eq: missing argument for comparison'],
  ['{{ eq }}', '1:3', '<eq>: wrong number of args for eq: want at least 1 got 0'],
  [
    '{{ eq .Environment 1 }}',
    '1:3',
    '<eq .Environment 1>: error calling eq: incompatible types for comparison: map[string]string and int',
  ],
  ['{{ eq . . }}', '1:3', '<eq . .>: error calling eq: non-comparable type {map[]}: struct'],
  ['{{ ne 1 "1" }}', '1:3', '<ne 1 "1">: error calling ne: incompatible types for comparison: int and string'],
  ['{{ ne 1 }}', '1:3', '<ne>: wrong number of args for ne: want 2 got 1'],
  ['{{ ne 1 2 3 }}', '1:3', '<ne>: wrong number of args for ne: want 2 got 3'],
  ['{{ lt 1 1.5 }}', '1:3', '<lt 1 1.5>: error calling lt: incompatible types for comparison: int and float64'],
  ['{{ lt true false }}', '1:3', '<lt true false>: error calling lt: invalid type for comparison'],
  ['{{ lt nil 1 }}', '1:3', '<lt nil 1>: error calling lt: invalid type for comparison'],
  ['{{ lt 1 nil }}', '1:3', '<lt 1 nil>: error calling lt: invalid type for comparison'],
  ['{{ lt .Environment 1 }}', '1:3', '<lt .Environment 1>: error calling lt: invalid type for comparison'],
  ['{{ ge 1 "a" }}', '1:3', '<ge 1 "a">: error calling ge: incompatible types for comparison: int and string'],
  ['{{ lt 1 }}', '1:3', '<lt>: wrong number of args for lt: want 2 got 1'],
  ['{{ if nil }}a{{ end }}', '1:6', '<nil>: nil is not a command'],
  ['{{ with "x" }}{{ .Foo }}{{ end }}', '1:17', "<.Foo>: can't evaluate field Foo in type string"],
  ['{{ with 5 }}{{ .Foo.Bar }}{{ end }}', '1:19', "<.Foo.Bar>: can't evaluate field Foo in type int"],
  [
    '{{ range $i, $v := 3 }}{{ $i }}{{ $v }}{{ end }}',
    '1:19',
    "<3>: can't use 3 to iterate over more than one variable",
  ],
  ['{{ range "abc" }}{{ . }}{{ end }}', '1:9', '<"abc">: range can\'t iterate over abc'],
  ['{{ range $i, $c := "héy" }}{{ $i }}={{ $c }},{{ end }}', '1:19', '<"héy">: range can\'t iterate over héy'],
  ['{{ range "" }}a{{ else }}none{{ end }}', '1:9', '<"">: range can\'t iterate over '],
  ['{{ range nil }}a{{ end }}', '1:9', '<nil>: nil is not a command'],
  ['{{ range 1.5 }}a{{ end }}', '1:9', "<1.5>: range can't iterate over 1.5"],
  ['{{ range true }}a{{ end }}', '1:9', "<true>: range can't iterate over true"],
  ['{{ range . }}a{{ end }}', '1:9', "<.>: range can't iterate over {map[]}"],
  ['{{ $x = 1 }}', '1:8', '<1>: undefined variable: $x'],
  ['{{ $x := nil }}', '1:9', '<nil>: nil is not a command'],
  ['{{ $x := "a" }}{{ $x.Foo }}', '1:20', "<$x.Foo>: can't evaluate field Foo in type string"],
  ['{{ $x := 1 }}{{ $x 2 }}', '1:16', "<$x>: can't give argument to non-function $x"],
  ['{{ $x := 1 }}{{ 2 | $x }}', '1:20', "<$x>: can't give argument to non-function $x"],
  ['{{ (print "a").Foo }}', '1:10', '<"a">: can\'t evaluate field Foo in type string'],
  ['{{ (1).Foo }}', '1:4', "<1>: can't evaluate field Foo in type int"],
  ['{{ (nil).Foo }}', '1:4', '<nil>: nil is not a command'],
  ['{{ 1 2 }}', '1:3', "<1>: can't give argument to non-function 1"],
  ['{{ "a" "b" }}', '1:3', '<"a">: can\'t give argument to non-function "a"'],
  ['{{ . 1 }}', '1:3', "<.>: can't give argument to non-function ."],
  ['{{ .Environment 1 }}', '1:3', '<.Environment>: Environment has arguments but cannot be invoked as function'],
  ['{{ .Environment.X 1 }}', '1:15', '<.Environment.X>: X is not a method but has arguments'],
  ['{{ 1 | .Environment.X }}', '1:19', '<.Environment.X>: X is not a method but has arguments'],
  ['{{ 1 | .Environment }}', '1:7', '<.Environment>: Environment has arguments but cannot be invoked as function'],
  ['{{ env }}', '1:3', '<env>: wrong number of args for env: want 1 got 0'],
  ['{{ env "A" "B" }}', '1:3', '<env>: wrong number of args for env: want 1 got 2'],
  ['{{ call 1 }}', '1:3', '<call 1>: error calling call: non-function 1 of type int'],
  ['{{ call nil }}', '1:3', '<call nil>: error calling call: call of nil'],
  ['{{ call }}', '1:3', '<call>: wrong number of args for call: want at least 1 got 0'],
  ['{{ call os }}', '1:3', '<call os>: error calling call: non-function os of type string'],
  ['{{ os.x }}', '1:3', "<os>: can't evaluate field x in type string"],
  ['{{ os .Environment }}', '1:3', '<os>: wrong number of args for os: want 0 got 1'],
  ['{{ .a.b }}', '1:5', "<.a.b>: can't evaluate field a in type struct"],
  ['{{ .é }}', '1:3', "<.é>: can't evaluate field é in type struct"],
  ['{{ 1 -1 }}', '1:3', "<1>: can't give argument to non-function 1"],
  ['{{ printf 5 }}', '1:10', '<5>: expected string; found 5'],
  ['{{ printf nil }}', '1:10', '<nil>: cannot assign nil to string'],
  ['{{ printf }}', '1:3', '<printf>: wrong number of args for printf: want at least 1 got 0'],
  ['{{ printf .Environment.X }}', '1:22', '<.Environment.X>: invalid value; expected string'],
  ['  {{ .Nope }}', '1:5', "<.Nope>: can't evaluate field Nope in type struct"],
  ['{{ (index "abc" 0).Foo }}', '1:16', "<0>: can't evaluate field Foo in type uint8"],
  ['{{ true false }}', '1:3', "<true>: can't give argument to non-function true"],
  ['{{ env nil }}', '1:7', '<nil>: cannot assign nil to string'],
  ["{{ env 'a' }}", '1:7', "<'a'>: expected string; found 'a'"],
  ['{{ env . }}', '1:7', '<.>: wrong type for value; expected string; got struct'],
  ['{{ env $ }}', '1:7', '<$>: wrong type for value; expected string; got struct'],
  ['{{ env .Environment }}', '1:7', '<.Environment>: wrong type for value; expected string; got map[string]string'],
  ['{{ printf true }}', '1:10', '<true>: expected string; found true'],
  ['{{ printf 1.5 "x" }}', '1:10', '<1.5>: expected string; found 1.5'],
  ['a\n{{ .Nope }}', '2:3', "<.Nope>: can't evaluate field Nope in type struct"],
  [
    'a\n\n  {{ md5sum "missing" }}',
    '3:5',
    '<md5sum "missing">: error calling md5sum: open missing: no such file or directory',
  ],
  ['é{{ .Nope }}', '1:5', "<.Nope>: can't evaluate field Nope in type struct"],
  ['{{ 1 | (eq 1 1) }}', '1:3', "<1>: can't give argument to non-function eq 1 1"],
  ['{{ "a" 1 | (len "abc") }}', '1:3', '<"a">: can\'t give argument to non-function "a"'],
  ['{{ $x := print $x }}', '1:15', '<$x>: undefined variable: $x'],
  ['{{ $x := 1 | $x }}', '1:13', '<$x>: undefined variable: $x'],
  ['{{ env (len "abc") }}', '1:12', '<"abc">: wrong type for value; expected string; got int'],
  ['{{ (eq 1 1) 2 }}', '1:3', "<(eq 1 1) 2>: can't give argument to non-function eq 1 1"],
] as const)('%j fails at %s: %s', async (text, position, message) => {
  expect(await evaluated(text)).toEqual({
    ok: false,
    message: `template: key:${position}: executing "key" at ${message}`,
  })
})

test.each([
  ['{{ define "x" }}{{ end }}', 'template: key:1: {{define}} is not supported in a cache key'],
  ['{{ template "x" }}', 'template: key:1: {{template}} is not supported in a cache key'],
  ['{{ block "x" . }}{{ end }}', 'template: key:1: {{block}} is not supported in a cache key'],
  ['{{ 1i }}', 'template: key:1: complex number 1i is not supported in a cache key'],
  ['{{ 1+2i }}', 'template: key:1: complex number 1+2i is not supported in a cache key'],
])('what is not supported is named: %s', (text, message) => {
  expect(parseTemplate(text)).toEqual({ ok: false, message })
})

test.each([
  ['{{ printf "%x" 1.5 }}', '%x of a float is not supported in a cache key'],
  ['{{ printf "%b" 1.5 }}', '%b of a float is not supported in a cache key'],
  ['{{ printf "%#g" 1.5 }}', '%#g of a float is not supported in a cache key'],
])('what printf does not support is named: %s', async (text, message) => {
  expect(await evaluated(text)).toMatchObject({
    ok: false,
    message: expect.stringContaining(`error calling printf: ${message}`),
  })
})

test.each([
  ['{{ len nil }}', 'error calling len: len of nil pointer'],
  ['{{ index "abc" 3 }}', 'error calling index: index out of range: 3'],
])('%s fails with a message where Go has only an internal one: %s', async (text, message) => {
  expect(await evaluated(text)).toMatchObject({ ok: false, message: expect.stringContaining(message) })
})

test('a function that throws ends the evaluation with what it threw', async () => {
  const broken = { ...functions, md5sum: () => Promise.reject(new Error('pod gone')) }
  await expect(evaluated('{{ md5sum "a" }}', broken)).rejects.toThrow('pod gone')
})

test('the constants are asked for once, and not when none is used', async () => {
  let asked = 0
  const counting: TemplateFunctions = {
    ...functions,
    constants: () => {
      asked++
      return functions.constants()
    },
  }
  await evaluated('{{ env "NAME" }}', counting)
  expect(asked).toBe(0)
  await evaluated('{{ os }}{{ arch }}{{ unixtime }}{{ year }}', counting)
  expect(asked).toBe(1)
})

test('each file and variable is asked for once, and too many are refused', async () => {
  const asked: string[] = []
  const noting = async (name: string) => {
    asked.push(name)
    return parsed(name)
  }
  const text = '{{ range 3 }}{{ md5sum "a" }}{{ sha256sum "a" }}{{ env "A" }}{{ end }}'
  const env = async (name: string) => {
    asked.push(name)
    return name
  }
  const given = { ...functions, md5sum: noting, sha256sum: noting, env }
  expect(await evaluated(text, given)).toEqual({ ok: true, value: 'aaA'.repeat(3) })
  expect(asked).toEqual(['a', 'a', 'A'])
  const most = limits.templateQuestions.value
  const files = (count: number) => `{{ range ${count} }}{{ md5sum (print .) }}{{ end }}`
  expect(await evaluated(files(most))).toMatchObject({ ok: true })
  expect(await evaluated(files(most + 1))).toEqual({
    ok: false,
    message: `template: key: asks for more than ${most} files and variables`,
  })
})

test('output at the limit is given, one byte more is refused, inside an expression too', async () => {
  const bytes = limits.cacheKeyTemplateOutputBytes.value
  const message = `template: key: output is longer than ${bytes} bytes`
  const kibibytes = (text: string) => `{{ range ${bytes / 1024} }}${text}{{ end }}`
  expect(await evaluated(kibibytes('x'.repeat(1024)))).toMatchObject({ ok: true })
  expect(await evaluated(`${kibibytes('x'.repeat(1024))}x`)).toEqual({ ok: false, message })
  expect(await evaluated(kibibytes('é'.repeat(513)))).toEqual({ ok: false, message })
  expect(await evaluated('{{ $x := "ab" }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}')).toEqual({
    ok: false,
    message,
  })
  expect(await evaluated('{{ len (printf "%9999999d" 1) }}')).toEqual({ ok: false, message })
})

test('endless work is refused', async () => {
  const message = `template: key: more than ${limits.templateSteps.value} steps`
  expect(await evaluated('{{ range 1000000000 }}{{ end }}')).toEqual({ ok: false, message })
  expect(await evaluated('{{ range 1000 }}{{ range 1000 }}x{{ end }}{{ end }}')).toEqual({ ok: false, message })
})

test('a template nested too deep is refused, not a crash', () => {
  const levels = limits.templateNestingLevels.value
  const message = `template: key:1: nested deeper than ${levels} levels`
  expect(parseTemplate(`{{ ${'('.repeat(5_000)}`)).toEqual({ ok: false, message })
  expect(parseTemplate('{{ if 1 }}'.repeat(5_000))).toEqual({ ok: false, message })
  expect(parseTemplate('{{ if 1 }}a{{ else if 1 }}'.repeat(2_000))).toEqual({ ok: false, message })
  expect(parseTemplate(`${'{{ if 1 }}'.repeat(levels - 1)}${'{{ end }}'.repeat(levels - 1)}`)).toMatchObject({
    ok: true,
  })
})

test('a template that is too long is refused', () => {
  const bytes = limits.templateBytes.value
  expect(parseTemplate('x'.repeat(bytes))).toMatchObject({ ok: true })
  expect(parseTemplate('x'.repeat(bytes + 1))).toEqual({
    ok: false,
    message: `template: key: longer than ${bytes} bytes`,
  })
})

test.each([
  ['spaces', ' '.repeat(65_000)],
  ['spaces before a trimming action', `${' '.repeat(65_000)}x{{- 1 }}`],
  ['opening braces', '{'.repeat(65_000)],
  ['actions', '{{1}}'.repeat(13_000)],
  ['variables', '{{$a:=1}}'.repeat(7_000)],
  ['operands', `{{ print ${'1 '.repeat(30_000)}}}`],
  ['commands', `{{ 1 ${'|print'.repeat(10_000)} }}`],
  ['fields', `{{ .Environment${'.a'.repeat(30_000)} }}`],
  ['an open string', `{{ "${'\\\\'.repeat(30_000)}`],
  ['escapes', `{{ "${'\\x41'.repeat(16_000)}" }}`],
])('many %s are answered in time', async (_, text) => {
  const started = performance.now()
  await evaluated(text)
  expect(performance.now() - started).toBeLessThan(20_000)
})

test('many comments and actions in a row are no nesting', async () => {
  expect(await evaluated(`${'{{/* x */}}'.repeat(5_000)}${'{{ 1 }}'.repeat(1000)}`)).toEqual({
    ok: true,
    value: '1'.repeat(1000),
  })
})

function facts(text: string): ReturnType<typeof neededFacts> {
  const template = parseTemplate(text)
  if (!template.ok) throw new Error(template.message)
  return neededFacts(template.value)
}

const none = { md5sumFiles: [], sha256sumFiles: [], environmentNames: [], hasConstants: false, hasDynamic: false }

test.each([
  ['text', none],
  ['{{ md5sum "a" }}{{ md5sum "b" }}{{ md5sum "a" }}', { ...none, md5sumFiles: ['a', 'b'] }],
  ['{{ sha256sum `a b` | printf "%.8s" }}', { ...none, sha256sumFiles: ['a b'] }],
  ['{{ "a" | md5sum }}', { ...none, md5sumFiles: ['a'] }],
  ['{{ env "A" }}{{ "B" | env | print "x" }}', { ...none, environmentNames: ['A', 'B'] }],
  [
    '{{ if eq os "linux" }}{{ md5sum "a" }}{{ else }}{{ md5sum "b" }}{{ end }}',
    { ...none, md5sumFiles: ['a', 'b'], hasConstants: true },
  ],
  ['{{ print (slice (md5sum "a") 0 8) }}', { ...none, md5sumFiles: ['a'] }],
  ['{{ (print (env "A")).X }}', { ...none, environmentNames: ['A'] }],
  ['{{ with env "A" }}{{ range 3 }}{{ env "B" }}{{ end }}{{ end }}', { ...none, environmentNames: ['A', 'B'] }],
  ['{{ md5sum (env "LOCKFILE") }}', { ...none, environmentNames: ['LOCKFILE'], hasDynamic: true }],
  ['{{ $f := "a" }}{{ md5sum $f }}', { ...none, hasDynamic: true }],
  ['{{ print "a" | md5sum }}', { ...none, hasDynamic: true }],
  ['{{ md5sum "" }}', none],
  ['{{ year }}-{{ month }}', { ...none, hasConstants: true }],
  ['{{ print unixtime }}', { ...none, hasConstants: true }],
] as const)('what %s needs is known before it is evaluated', (text, expected) => {
  expect(facts(text)).toEqual(expected)
})

test('with what is needed fetched before, an evaluation asks for nothing else unless it is dynamic', async () => {
  const text = '{{ if env "A" }}{{ md5sum "x" }}{{ end }}{{ "y" | sha256sum }}{{ print (env "B") }}'
  const asked = { md5sum: new Set<string>(), sha256sum: new Set<string>(), env: new Set<string>() }
  const noting =
    <T>(names: Set<string>, answer: T) =>
    async (name: string) => {
      names.add(name)
      return answer
    }
  const recording: TemplateFunctions = {
    ...functions,
    md5sum: noting(asked.md5sum, parsed('d')),
    sha256sum: noting(asked.sha256sum, parsed('d')),
    env: noting(asked.env, 'v'),
  }
  await evaluated(text, recording)
  const { md5sumFiles, sha256sumFiles, environmentNames, hasDynamic } = facts(text)
  expect(hasDynamic).toBe(false)
  expect([...asked.md5sum]).toEqual(md5sumFiles)
  expect([...asked.sha256sum]).toEqual(sha256sumFiles)
  expect([...asked.env]).toEqual(environmentNames)
})

test('no template makes parser or evaluation throw', async () => {
  const piece = fc.constantFrom(
    ...[
      '{{',
      '}}',
      '{{-',
      ' -}}',
      'if ',
      'else ',
      'end',
      'range ',
      'with ',
      'break',
      '$x',
      ' := ',
      ' = ',
      '|',
      '(',
      ')',
      '.',
    ],
    ...[
      '.X',
      '"a"',
      '`',
      "'a'",
      '1',
      '-',
      '1.5',
      'nil',
      'true',
      'print ',
      'printf "%d%s%5q" ',
      'index ',
      'len ',
      'eq ',
      'and ',
      ',',
    ],
    ...[' ', '\n', '/*', '*/', 'x', '{{ end }}', '{{ if 1 }}', 'md5sum ', 'slice ', 'call '],
  )
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 14 }), async (pieces) => {
      const result = await evaluated(pieces.join(''))
      if (!result.ok) expect(result.message).toMatch(/^template: key/)
    }),
    { numRuns: 2000 },
  )
})

test('whatever text a printed string holds, it comes out as it went in', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme' }), async (text) => {
      const given = { ...functions, env: async () => text }
      expect(await evaluated('{{ env "A" | printf "%s" | print }}', given)).toEqual({ ok: true, value: text })
    }),
  )
})
