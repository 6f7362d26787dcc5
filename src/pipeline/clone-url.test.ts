import { expect, test } from 'vitest'
import { parseCloneUrl } from './clone-url.ts'

test.each([
  ['git@git.example.org:org/app.git', ['ssh', 'git', 'git.example.org', '', 'org/app.git']],
  ['git_1@host-2:~/app', ['ssh', 'git_1', 'host-2', '', '~/app']],
  ['ssh://git@git.example.org:2222/org/app.git', ['ssh', 'git', 'git.example.org', '2222', '/org/app.git']],
  ['https://git.example.org/org/app.git', ['https', '', 'git.example.org', '', '/org/app.git']],
  // Written ports stay, also the default one.
  ['HTTPS://git.example.org:443/app', ['https', '', 'git.example.org', '443', '/app']],
  ['http://user:password@host:8000/x', ['http', 'user', 'host', '8000', '/x']],
  ['ssh://git@[2001:db8::1]:22/x', ['ssh', 'git', '2001:db8::1', '22', '/x']],
  ['http://host', ['http', '', 'host', '', '']],
  ['http://host:/x', ['http', '', 'host', '', '/x']],
  ['file:///srv/app.git', ['file', '', '', '', '/srv/app.git']],
  ['/srv/app.git', ['', '', '', '', '/srv/app.git']],
  ['../app', ['', '', '', '', '../app']],
  ['my-user@host:x', ['', '', '', '', 'my-user@host:x']], // a hyphen is not in the class of users
  ['', ['', '', '', '', '']],
])('%s', (text, [scheme, user, host, port, path]) => {
  expect(parseCloneUrl(text)).toEqual({ scheme, user, host, port, path })
})
