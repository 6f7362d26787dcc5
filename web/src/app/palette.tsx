// One key, some letters, and one is there: projects, runs by number, pages, actions. A list box steered from its field, as the ARIA
// practices have it for comboboxes.

import { Dialog } from '@base-ui/react/dialog'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useId, useMemo, useState } from 'react'
import { useIsAdmin, useSessionActions, useUserName } from '../api/session.ts'
import { myProjectsQuery } from '../features/projects/queries.ts'
import { Icon, type IconName } from '../ui/icon.tsx'
import { rankChoices } from './palette-ranking.ts'
import { addressOfPath } from './project-address.ts'
import { setTheme, themes } from './theme.ts'

type Choice = {
  readonly id: string
  readonly text: string
  readonly kind: string
  readonly icon: IconName
  readonly go: () => unknown
}

const shownMax = 30

export function Palette({ onClose }: { readonly onClose: () => void }) {
  const [text, setText] = useState('')
  const [active, setActive] = useState(0)
  const listId = useId()
  const choices = useChoices(text)
  const found = useMemo(() => rankChoices(choices, text).slice(0, shownMax), [choices, text])
  const choose = (choice: Choice | undefined) => {
    if (choice === undefined) return
    onClose()
    void choice.go()
  }
  const onKey = (event: React.KeyboardEvent) => {
    if (event.key === 'ArrowDown') setActive((active + 1) % Math.max(found.length, 1))
    else if (event.key === 'ArrowUp') setActive((active - 1 + found.length) % Math.max(found.length, 1))
    else if (event.key === 'Enter') choose(found[active])
    else return
    event.preventDefault()
  }
  return (
    <Dialog.Root open onOpenChange={onClose}>
      <Dialog.Portal>
        <Dialog.Backdrop className="backdrop" />
        <Dialog.Popup className="dialog">
          <Dialog.Title className="visually-hidden">Go to</Dialog.Title>
          <div className="palette">
            <input
              className="input"
              autoFocus
              role="combobox"
              aria-expanded="true"
              aria-controls={listId}
              aria-label="Project, run number, page or action"
              aria-activedescendant={found[active] === undefined ? undefined : `${listId}-${active}`}
              placeholder="Project, “web 12” for a run, page or action"
              value={text}
              onChange={({ target }) => {
                setText(target.value)
                setActive(0)
              }}
              onKeyDown={onKey}
            />
            <div className="palette-list" id={listId} role="listbox" aria-label="Found">
              {found.map((choice, index) => (
                // biome-ignore lint/a11y/useKeyWithClickEvents: keys are handled by the field, which keeps the focus
                <div
                  key={choice.id}
                  id={`${listId}-${index}`}
                  className="palette-item"
                  role="option"
                  tabIndex={-1}
                  aria-selected={index === active}
                  ref={index === active ? (element) => element?.scrollIntoView({ block: 'nearest' }) : undefined}
                  onPointerMove={() => setActive(index)}
                  onClick={() => choose(choice)}
                >
                  <Icon name={choice.icon} />
                  <span className="clip">{choice.text}</span>
                  <span className="faint">{choice.kind}</span>
                </div>
              ))}
            </div>
            {found.length === 0 ? <p className="empty">Nothing is called that.</p> : null}
          </div>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}

function useChoices(text: string): readonly Choice[] {
  const navigate = useNavigate()
  const userName = useUserName()
  const isAdmin = useIsAdmin()
  const { logout } = useSessionActions()
  const projects = useQuery(myProjectsQuery(userName))
  const number = /(?:^|\s)#?(\d+)$/.exec(text)?.[1]
  return useMemo(() => {
    const page = (name: string, icon: IconName, go: () => unknown): Choice => ({
      id: `page ${name}`,
      text: name,
      kind: 'page',
      icon,
      go,
    })
    return [
      ...(projects.data ?? []).flatMap(({ id, path }): Choice[] => {
        const project = addressOfPath(path)
        return [
          ...(number === undefined
            ? []
            : [
                {
                  id: `run ${id}`,
                  text: `${path} ${number}`,
                  kind: 'run',
                  icon: 'clock' as const,
                  go: () => navigate({ to: '/projects/$project/runs/$number', params: { project, number } }),
                },
              ]),
          {
            id,
            text: path,
            kind: 'project',
            icon: 'project',
            go: () => navigate({ to: '/projects/$project', params: { project } }),
          },
          {
            id: `settings ${id}`,
            text: `${path} settings`,
            kind: 'settings',
            icon: 'settings',
            go: () => navigate({ to: '/projects/$project/settings/$section', params: { project, section: 'general' } }),
          },
        ]
      }),
      page('Home', 'right', () => navigate({ to: '/' })),
      page('Projects', 'right', () => navigate({ to: '/projects' })),
      page('New project', 'plus', () => navigate({ to: '/new-project' })),
      page('New group', 'plus', () => navigate({ to: '/new-group' })),
      page('Organizations', 'right', () => navigate({ to: '/organizations' })),
      page('My direct runs', 'right', () => navigate({ to: '/users/$user/runs', params: { user: userName } })),
      page('Account: tokens', 'right', () => navigate({ to: '/account/$section', params: { section: 'tokens' } })),
      ...(isAdmin
        ? ['executors', 'queue', 'users', 'sources', 'databases', 'maintenance'].map((section) =>
            page(`Administration: ${section}`, 'right', () => navigate({ to: '/admin/$section', params: { section } })),
          )
        : []),
      ...themes.map(
        (theme): Choice => ({
          id: `theme ${theme}`,
          text: `Theme: ${theme}`,
          kind: 'action',
          icon: theme === 'dark' ? 'moon' : 'sun',
          go: () => setTheme(theme),
        }),
      ),
      { id: 'logout', text: 'Log out', kind: 'action', icon: 'person', go: logout },
    ]
  }, [projects.data, number, navigate, userName, isAdmin, logout])
}
