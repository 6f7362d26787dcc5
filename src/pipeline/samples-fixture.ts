// Worked samples: a definition, what it is expanded for, and the tasks that come out, in the spelling of the run configs of
// the reference. `"@": IMAGE` stands for the members of a task with that one image and nothing else said; a task without
// `id` has the key's.

import type { JsonObject } from '../lib/json.ts'
import type { GitEvent } from './event.ts'

export type Sample = {
  readonly id: string
  readonly title: string
  readonly file: 'config.yml' | 'config.json'
  readonly definition: string
  /** What differs from a push to master. */
  readonly event?: Partial<GitEvent>
  readonly variables?: Readonly<Record<string, string>>
  readonly tasks: Readonly<Record<string, JsonObject>>
}

export const samples: readonly Sample[] = [
  {
    id: 'S1',
    title: 'Smallest valid config',
    file: 'config.yml',
    definition: `
runs:
  - name: ci
    tasks:
      - name: build
        runtime:
          containers:
            - image: alpine
`,
    tasks: {
      'id(build)': {
        id: 'id(build)',
        name: 'build',
        depends: {},
        runtime: { type: 'pod', containers: [{ image: 'alpine', privileged: false, entrypoint: '', volumes: [] }] },
        working_dir: '~/project',
        shell: '/bin/sh -e',
        docker_registries_auth: {},
        task_timeout_interval: 0,
      },
    },
  },
  {
    id: 'S2',
    title: 'The three ways to write a run step',
    file: 'config.yml',
    definition: `
runs:
  - name: ci
    tasks:
      - name: build
        runtime: {containers: [{image: alpine}]}
        steps:
          - run: make
          - run:
              name: unit tests
              command: make test
          - type: run
            command: make lint
`,
    tasks: {
      'id(build)': {
        name: 'build',
        depends: {},
        '@': 'alpine',
        steps: [
          { type: 'run', name: 'make', command: 'make', tty: true },
          { type: 'run', name: 'unit tests', command: 'make test', tty: true },
          { type: 'run', name: 'make lint', command: 'make lint', tty: true },
        ],
      },
    },
  },
  {
    id: 'S3',
    title: 'Multi-line commands, long commands',
    file: 'config.yml',
    definition: `
runs:
  - name: ci
    tasks:
      - name: build
        runtime: {containers: [{image: alpine}]}
        steps:
          - run:
              name: two lines
              command: |
                make deps
                make all
          - run: >-
              echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
              bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
`,
    tasks: {
      'id(build)': {
        name: 'build',
        depends: {},
        '@': 'alpine',
        steps: [
          { type: 'run', name: 'two lines', command: 'make deps\nmake all\n', tty: true },
          {
            type: 'run',
            name: 'echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',
            command:
              'echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',
            tty: true,
          },
        ],
      },
    },
  },
  {
    id: 'S4',
    title: 'Step environment, working dir, shell, tty',
    file: 'config.yml',
    definition: `
runs:
  - name: ci
    tasks:
      - name: build
        runtime: {containers: [{image: alpine}]}
        steps:
          - type: run
            name: build ui
            command: npm ci && npm run build
            working_dir: ui
            shell: /bin/bash -eo pipefail
            tty: false
            environment:
              NODE_ENV: production
              TOKEN: {from_variable: npm_token}
`,
    variables: { npm_token: 's3cr3t' },
    tasks: {
      'id(build)': {
        name: 'build',
        depends: {},
        '@': 'alpine',
        steps: [
          {
            type: 'run',
            name: 'build ui',
            command: 'npm ci && npm run build',
            environment: { NODE_ENV: 'production', TOKEN: 's3cr3t' },
            working_dir: 'ui',
            shell: '/bin/bash -eo pipefail',
            tty: false,
          },
        ],
      },
    },
  },
  {
    id: 'S5',
    title: 'Clone steps',
    file: 'config.yml',
    definition: `
runs:
  - name: ci
    tasks:
      - name: build
        runtime: {containers: [{image: alpine/git}]}
        steps:
          - clone:
          - type: clone
            name: my checkout
          - clone: {depth: 1, recurse_submodules: true}
`,
    tasks: {
      'id(build)': {
        name: 'build',
        depends: {},
        '@': 'alpine/git',
        steps: [
          { type: 'run', name: 'Clone repository and checkout code', command: '<clone>', tty: true },
          { type: 'run', name: 'Clone repository and checkout code', command: '<clone>', tty: true },
          {
            type: 'run',
            name: 'Clone repository and checkout code',
            command: '<clone --depth 1 --recurse-submodules>',
            tty: true,
          },
        ],
      },
    },
  },
  {
    id: 'S6',
    title: 'Runtime with every option',
    file: 'config.yml',
    definition: `
runs:
  - name: ci
    tasks:
      - name: test
        runtime:
          type: pod
          arch: arm64
          containers:
            - image: golang:1.24
              user: builder
              environment:
                GOFLAGS: -mod=mod
                GOPROXY: {from_variable: goproxy}
              volumes:
                - path: /var/build
                  tmpfs: {size: 1Gi}
                - path: /scratch
                  tmpfs: {}
            - image: postgres:15
              privileged: true
              entrypoint: docker-entrypoint.sh -c max_connections=300
              environment: {POSTGRES_PASSWORD: pw}
`,
    variables: { goproxy: 'https://proxy.example.org' },
    tasks: {
      'id(test)': {
        id: 'id(test)',
        name: 'test',
        depends: {},
        runtime: {
          type: 'pod',
          arch: 'arm64',
          containers: [
            {
              image: 'golang:1.24',
              environment: { GOFLAGS: '-mod=mod', GOPROXY: 'https://proxy.example.org' },
              user: 'builder',
              privileged: false,
              entrypoint: '',
              volumes: [
                { path: '/var/build', tmpfs: { size: 1073741824 } },
                { path: '/scratch', tmpfs: { size: 0 } },
              ],
            },
            {
              image: 'postgres:15',
              environment: { POSTGRES_PASSWORD: 'pw' },
              privileged: true,
              entrypoint: 'docker-entrypoint.sh -c max_connections=300',
              volumes: [],
            },
          ],
        },
        working_dir: '~/project',
        shell: '/bin/sh -e',
        docker_registries_auth: {},
        task_timeout_interval: 0,
      },
    },
  },
  {
    id: 'S7',
    title: 'Variables: present, missing, and a value map without `from_variable`',
    file: 'config.yml',
    definition: `
runs:
  - name: ci
    tasks:
      - name: build
        runtime: {containers: [{image: alpine}]}
        environment:
          PLAIN: "1"
          PRESENT: {from_variable: known}
          MISSING: {from_variable: unknown}
          ODD: {something_else: x}
        steps: [{run: env}]
`,
    variables: { known: 'v' },
    tasks: {
      'id(build)': {
        name: 'build',
        depends: {},
        '@': 'alpine',
        environment: { MISSING: '', ODD: '', PLAIN: '1', PRESENT: 'v' },
        steps: [{ type: 'run', name: 'env', command: 'env', tty: true }],
      },
    },
  },
  {
    id: 'S8',
    title: 'Task level overrides',
    file: 'config.yml',
    definition: `
runs:
  - name: ci
    tasks:
      - name: build
        runtime: {containers: [{image: alpine}]}
        working_dir: /src
        shell: /bin/bash -e
        user: "1000"
        steps: [{run: id}]
`,
    tasks: {
      'id(build)': {
        name: 'build',
        depends: {},
        '@': 'alpine',
        working_dir: '/src',
        shell: '/bin/bash -e',
        user: '1000',
        steps: [{ type: 'run', name: 'id', command: 'id', tty: true }],
      },
    },
  },
  {
    id: 'S9',
    title: 'The four forms of a dependency, and levels',
    file: 'config.yml',
    definition: `
runs:
  - name: ci
    tasks:
      - name: a
        runtime: {containers: [{image: alpine}]}
      - name: b
        runtime: {containers: [{image: alpine}]}
        depends: [a]
      - name: c
        runtime: {containers: [{image: alpine}]}
        depends:
          - a: [on_success, on_failure]
      - name: d
        runtime: {containers: [{image: alpine}]}
        depends:
          - task: b
          - task: c
            conditions: [on_skipped]
`,
    tasks: {
      'id(a)': { name: 'a', depends: {}, '@': 'alpine' },
      'id(b)': {
        level: 1,
        name: 'b',
        depends: { 'id(a)': { task_id: 'id(a)', conditions: ['on_success'] } },
        '@': 'alpine',
      },
      'id(c)': {
        level: 1,
        name: 'c',
        depends: { 'id(a)': { task_id: 'id(a)', conditions: ['on_success', 'on_failure'] } },
        '@': 'alpine',
      },
      'id(d)': {
        level: 2,
        name: 'd',
        depends: {
          'id(b)': { task_id: 'id(b)', conditions: ['on_success'] },
          'id(c)': { task_id: 'id(c)', conditions: ['on_skipped'] },
        },
        '@': 'alpine',
      },
    },
  },
  {
    id: 'S10',
    title: 'Longest path decides the level',
    file: 'config.yml',
    definition: `
runs:
  - name: ci
    tasks:
      - name: lint
        runtime: {containers: [{image: alpine}]}
      - name: build
        runtime: {containers: [{image: alpine}]}
      - name: test
        runtime: {containers: [{image: alpine}]}
        depends: [build]
      - name: deploy
        runtime: {containers: [{image: alpine}]}
        depends: [test, lint]
`,
    tasks: {
      'id(build)': { name: 'build', depends: {}, '@': 'alpine' },
      'id(deploy)': {
        level: 2,
        name: 'deploy',
        depends: {
          'id(lint)': { task_id: 'id(lint)', conditions: ['on_success'] },
          'id(test)': { task_id: 'id(test)', conditions: ['on_success'] },
        },
        '@': 'alpine',
      },
      'id(lint)': { name: 'lint', depends: {}, '@': 'alpine' },
      'id(test)': {
        level: 1,
        name: 'test',
        depends: { 'id(build)': { task_id: 'id(build)', conditions: ['on_success'] } },
        '@': 'alpine',
      },
    },
  },
  {
    id: 'S11',
    title: 'Failure handling and approval',
    file: 'config.yml',
    definition: `
runs:
  - name: ci
    tasks:
      - name: flaky
        ignore_failure: true
        runtime: {containers: [{image: alpine}]}
      - name: report
        runtime: {containers: [{image: alpine}]}
        depends:
          - flaky: [on_failure]
      - name: deploy
        approval: true
        runtime: {containers: [{image: alpine}]}
        depends: [flaky]
`,
    tasks: {
      'id(deploy)': {
        level: 1,
        name: 'deploy',
        depends: { 'id(flaky)': { task_id: 'id(flaky)', conditions: ['on_success'] } },
        '@': 'alpine',
        needs_approval: true,
      },
      'id(flaky)': { name: 'flaky', depends: {}, '@': 'alpine', ignore_failure: true },
      'id(report)': {
        level: 1,
        name: 'report',
        depends: { 'id(flaky)': { task_id: 'id(flaky)', conditions: ['on_failure'] } },
        '@': 'alpine',
      },
    },
  },
  {
    id: 'S12',
    title: 'A `when` that does not match: skip',
    file: 'config.yml',
    definition: `
runs:
  - name: ci
    tasks:
      - name: build
        runtime: {containers: [{image: alpine}]}
      - name: deploy
        when: {branch: master}
        runtime: {containers: [{image: alpine}]}
        depends: [build]
`,
    event: { refType: 'branch', branch: 'feature/x', ref: 'refs/heads/feature/x' },
    tasks: {
      'id(build)': { name: 'build', depends: {}, '@': 'alpine' },
      'id(deploy)': {
        level: 1,
        name: 'deploy',
        depends: { 'id(build)': { task_id: 'id(build)', conditions: ['on_success'] } },
        '@': 'alpine',
        skip: true,
      },
    },
  },
  {
    id: 'S13',
    title: '`when` with arrays and regular expressions, on a tag',
    file: 'config.yml',
    definition: `
runs:
  - name: ci
    tasks:
      - name: stable
        when: {tag: [/^v\\d+\\.\\d+\\.\\d+$/, latest]}
        runtime: {containers: [{image: alpine}]}
      - name: prerelease
        when: {tag: '#-rc#'}
        runtime: {containers: [{image: alpine}]}
      - name: branches only
        when: {branch: [master, '/.*/']}
        runtime: {containers: [{image: alpine}]}
`,
    event: { refType: 'tag', branch: '', tag: 'v1.2.0-rc1', ref: 'refs/tags/v1.2.0-rc1' },
    tasks: {
      'id(branches only)': { name: 'branches only', depends: {}, '@': 'alpine', skip: true },
      'id(prerelease)': { name: 'prerelease', depends: {}, '@': 'alpine' },
      'id(stable)': { name: 'stable', depends: {}, '@': 'alpine', skip: true },
    },
  },
  {
    id: 'S14',
    title: '`when` include and exclude, `ref` evaluated last',
    file: 'config.yml',
    definition: `
runs:
  - name: ci
    tasks:
      - name: t1
        when:
          branch: {include: ['/^release-/', master], exclude: release-old}
        runtime: {containers: [{image: alpine}]}
      - name: t2
        when:
          branch: {include: /.*/}
          ref: {exclude: /release/}
        runtime: {containers: [{image: alpine}]}
      - name: t3
        when:
          branch: {include: /.*/, exclude: release-old}
          ref: refs/heads/release-old
        runtime: {containers: [{image: alpine}]}
      - name: t4
        when:
          branch: {exclude: develop}
        runtime: {containers: [{image: alpine}]}
`,
    event: { branch: 'release-old', ref: 'refs/heads/release-old' },
    tasks: {
      'id(t1)': { name: 't1', depends: {}, '@': 'alpine', skip: true },
      'id(t2)': { name: 't2', depends: {}, '@': 'alpine', skip: true },
      'id(t3)': { name: 't3', depends: {}, '@': 'alpine' },
      'id(t4)': { name: 't4', depends: {}, '@': 'alpine', skip: true },
    },
  },
  {
    id: 'S15',
    title: 'Pull request: only `ref` conditions can match',
    file: 'config.yml',
    definition: `
runs:
  - name: ci
    tasks:
      - name: pr checks
        when: {ref: '#^refs/pull/\\d+/head$#'}
        runtime: {containers: [{image: alpine}]}
      - name: any branch
        when: {branch: '#.*#'}
        runtime: {containers: [{image: alpine}]}
      - name: always
        runtime: {containers: [{image: alpine}]}
`,
    event: { refType: 'pull_request', branch: '', pullRequestId: '7', ref: 'refs/pull/7/head' },
    tasks: {
      'id(always)': { name: 'always', depends: {}, '@': 'alpine' },
      'id(any branch)': { name: 'any branch', depends: {}, '@': 'alpine', skip: true },
      'id(pr checks)': { name: 'pr checks', depends: {}, '@': 'alpine' },
    },
  },
  {
    id: 'S16',
    title: 'Empty `when` objects never match',
    file: 'config.yml',
    definition: `
runs:
  - name: ci
    tasks:
      - name: t1
        when: {}
        runtime: {containers: [{image: alpine}]}
      - name: t2
        when: {branch: {}}
        runtime: {containers: [{image: alpine}]}
      - name: t3
        when: {pull_request: 1}
        runtime: {containers: [{image: alpine}]}
      - name: t4
        when:
        runtime: {containers: [{image: alpine}]}
`,
    tasks: {
      'id(t1)': { name: 't1', depends: {}, '@': 'alpine', skip: true },
      'id(t2)': { name: 't2', depends: {}, '@': 'alpine', skip: true },
      'id(t3)': { name: 't3', depends: {}, '@': 'alpine', skip: true },
      'id(t4)': { name: 't4', depends: {}, '@': 'alpine' },
    },
  },
  {
    id: 'S17',
    title: 'Registry credentials: global, run and task',
    file: 'config.yml',
    definition: `
docker_registries_auth:
  index.docker.io:
    username: globaluser
    password: {from_variable: hubpw}
  registry.example.org:
    type: encodedauth
    auth: {from_variable: encoded}
runs:
  - name: ci
    docker_registries_auth:
      index.docker.io: {username: runuser, password: runpw}
    tasks:
      - name: a
        runtime: {containers: [{image: alpine}]}
      - name: b
        docker_registries_auth:
          registry.example.org: {username: bob, password: x}
          quay.io: {username: q, password: {from_variable: nope}}
        runtime: {containers: [{image: quay.io/org/img}]}
`,
    variables: { hubpw: 'hub', encoded: 'dTpw' },
    tasks: {
      'id(a)': {
        name: 'a',
        depends: {},
        '@': 'alpine',
        docker_registries_auth: {
          'index.docker.io': { type: 'basic', username: 'runuser', password: 'runpw', auth: '' },
          'registry.example.org': { type: 'encodedauth', username: '', password: '', auth: 'dTpw' },
        },
      },
      'id(b)': {
        name: 'b',
        depends: {},
        '@': 'quay.io/org/img',
        docker_registries_auth: {
          'index.docker.io': { type: 'basic', username: 'runuser', password: 'runpw', auth: '' },
          'quay.io': { type: 'basic', username: 'q', password: '', auth: '' },
          'registry.example.org': { type: 'basic', username: 'bob', password: 'x', auth: '' },
        },
      },
    },
  },
  {
    id: 'S18',
    title: 'Task timeouts',
    file: 'config.yml',
    definition: `
task_timeout_interval: 1h
runs:
  - name: ci
    task_timeout_interval: 30m
    tasks:
      - name: t1
        runtime: {containers: [{image: alpine}]}
      - name: t2
        task_timeout_interval: 1m30s
        runtime: {containers: [{image: alpine}]}
      - name: t3
        task_timeout_interval: 20000000000
        runtime: {containers: [{image: alpine}]}
      - name: t4
        task_timeout_interval: 0s
        runtime: {containers: [{image: alpine}]}
`,
    tasks: {
      'id(t1)': { name: 't1', depends: {}, '@': 'alpine', task_timeout_interval: 1800000000000 },
      'id(t2)': { name: 't2', depends: {}, '@': 'alpine', task_timeout_interval: 90000000000 },
      'id(t3)': { name: 't3', depends: {}, '@': 'alpine', task_timeout_interval: 20000000000 },
      'id(t4)': { name: 't4', depends: {}, '@': 'alpine' },
    },
  },
  {
    id: 'S19',
    title: 'Workspace',
    file: 'config.yml',
    definition: `
runs:
  - name: ci
    tasks:
      - name: build
        runtime: {containers: [{image: alpine}]}
        steps:
          - save_to_workspace:
              contents:
                - source_dir: ./bin
                  dest_dir: /bin/
                  paths: ['*']
                - source_dir: ~/reports
          - type: save_to_workspace
            name: save nothing
      - name: use
        runtime: {containers: [{image: alpine}]}
        depends: [build]
        steps:
          - restore_workspace:
          - restore_workspace: {dest_dir: /restored}
`,
    tasks: {
      'id(build)': {
        name: 'build',
        depends: {},
        '@': 'alpine',
        steps: [
          {
            type: 'save_to_workspace',
            contents: [{ source_dir: './bin', dest_dir: '/bin/', paths: ['*'] }, { source_dir: '~/reports' }],
          },
          { type: 'save_to_workspace', name: 'save nothing' },
        ],
      },
      'id(use)': {
        level: 1,
        name: 'use',
        depends: { 'id(build)': { task_id: 'id(build)', conditions: ['on_success'] } },
        '@': 'alpine',
        steps: [{ type: 'restore_workspace' }, { type: 'restore_workspace', dest_dir: '/restored' }],
      },
    },
  },
  {
    id: 'S20',
    title: 'Cache',
    file: 'config.yml',
    definition: `
runs:
  - name: ci
    tasks:
      - name: build
        runtime: {containers: [{image: node:22}]}
        steps:
          - restore_cache:
              keys:
                - 'npm-{{ md5sum "package-lock.json" }}'
                - npm-
              dest_dir: ~/.npm
          - save_cache:
              key: 'npm-{{ md5sum "package-lock.json" }}'
              contents:
                - source_dir: ~/.npm
                - source_dir: /opt/cache
                  dest_dir: opt
                  paths: [a/**, b]
`,
    tasks: {
      'id(build)': {
        name: 'build',
        depends: {},
        '@': 'node:22',
        steps: [
          { type: 'restore_cache', keys: ['npm-{{ md5sum "package-lock.json" }}', 'npm-'], dest_dir: '~/.npm' },
          {
            type: 'save_cache',
            key: 'npm-{{ md5sum "package-lock.json" }}',
            contents: [
              { source_dir: '~/.npm', paths: ['**'] },
              { source_dir: '/opt/cache', dest_dir: 'opt', paths: ['a/**', 'b'] },
            ],
          },
        ],
      },
    },
  },
  {
    id: 'S23',
    title: 'JSON config file',
    file: 'config.json',
    definition: `
{
  "runs": [
    {
      "name": "ci",
      "tasks": [
        {
          "name": "build",
          "runtime": {"arch": "386", "containers": [{"image": "i386/alpine"}]},
          "steps": [{"type": "clone"}, {"run": "make"}]
        }
      ]
    }
  ]
}
`,
    tasks: {
      'id(build)': {
        id: 'id(build)',
        name: 'build',
        depends: {},
        runtime: {
          type: 'pod',
          arch: '386',
          containers: [{ image: 'i386/alpine', privileged: false, entrypoint: '', volumes: [] }],
        },
        working_dir: '~/project',
        shell: '/bin/sh -e',
        steps: [
          { type: 'run', name: 'Clone repository and checkout code', command: '<clone>', tty: true },
          { type: 'run', name: 'make', command: 'make', tty: true },
        ],
        docker_registries_auth: {},
        task_timeout_interval: 0,
      },
    },
  },
  {
    id: 'S24',
    title: 'YAML scalar coercion',
    file: 'config.yml',
    definition: `
runs:
  - name: 2024
    tasks:
      - name: 1.10
        user: 1000
        working_dir: 7
        runtime:
          arch: 386
          containers:
            - image: 3
              user: 0
      - name: true
        runtime: {containers: [{image: alpine}]}
`,
    tasks: {
      'id(1.1)': {
        id: 'id(1.1)',
        name: '1.1',
        depends: {},
        runtime: {
          type: 'pod',
          arch: '386',
          containers: [{ image: '3', user: '0', privileged: false, entrypoint: '', volumes: [] }],
        },
        working_dir: '7',
        shell: '/bin/sh -e',
        user: '1000',
        docker_registries_auth: {},
        task_timeout_interval: 0,
      },
      'id(true)': { name: 'true', depends: {}, '@': 'alpine' },
    },
  },
  {
    id: 'S25',
    title: 'YAML anchors and merge keys',
    file: 'config.yml',
    definition: `
x-base: &base
  runtime: {containers: [{image: alpine}]}
  environment: {A: "1"}
runs:
  - name: ci
    tasks:
      - <<: *base
        name: one
      - <<: *base
        name: two
        environment: {B: "2"}
`,
    tasks: {
      'id(one)': { name: 'one', depends: {}, '@': 'alpine', environment: { A: '1' } },
      'id(two)': { name: 'two', depends: {}, '@': 'alpine', environment: { B: '2' } },
    },
  },
  {
    id: 'S26',
    title: 'Ignored things: step conditions, unknown keys, `version`, container `auth`',
    file: 'config.yml',
    definition: `
version: v0
runs:
  - name: ci
    description: nope
    tasks:
      - name: build
        runtime:
          containers:
            - image: alpine
              auth: {username: u, password: p}
        steps:
          - type: run
            command: make
            when: {branch: never}
`,
    tasks: {
      'id(build)': {
        name: 'build',
        depends: {},
        '@': 'alpine',
        steps: [{ type: 'run', name: 'make', command: 'make', tty: true }],
      },
    },
  },
  {
    id: 'S27',
    title: 'Unknown dependency condition',
    file: 'config.yml',
    definition: `
runs:
  - name: ci
    tasks:
      - name: a
        runtime: {containers: [{image: alpine}]}
      - name: b
        runtime: {containers: [{image: alpine}]}
        depends:
          - a: [on_sucess]
`,
    tasks: {
      'id(a)': { name: 'a', depends: {}, '@': 'alpine' },
      'id(b)': { level: 1, name: 'b', depends: { 'id(a)': { task_id: 'id(a)', conditions: [''] } }, '@': 'alpine' },
    },
  },
  {
    id: 'S28',
    title: 'Fork pull request without variables',
    file: 'config.yml',
    definition: `
runs:
  - name: ci
    tasks:
      - name: publish
        runtime:
          containers:
            - image: alpine
              environment: {A: {from_variable: mypassword}}
        environment: {MYPASSWORD: {from_variable: mypassword}}
        docker_registries_auth:
          index.docker.io: {username: u, password: {from_variable: mypassword}}
        steps: [{run: 'echo -n $MYPASSWORD'}]
`,
    event: { refType: 'pull_request', branch: '', pullRequestId: '8', ref: 'refs/pull/8/head' },
    tasks: {
      'id(publish)': {
        id: 'id(publish)',
        name: 'publish',
        depends: {},
        runtime: {
          type: 'pod',
          containers: [{ image: 'alpine', environment: { A: '' }, privileged: false, entrypoint: '', volumes: [] }],
        },
        environment: { MYPASSWORD: '' },
        working_dir: '~/project',
        shell: '/bin/sh -e',
        steps: [{ type: 'run', name: 'echo -n $MYPASSWORD', command: 'echo -n $MYPASSWORD', tty: true }],
        docker_registries_auth: { 'index.docker.io': { type: 'basic', username: 'u', password: '', auth: '' } },
        task_timeout_interval: 0,
      },
    },
  },
  {
    id: 'S29',
    title: 'A run without tasks',
    file: 'config.yml',
    definition: `
runs:
  - name: ci
`,
    tasks: {},
  },
]
