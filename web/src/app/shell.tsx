// What is around every page: the bar, the palette, live changes, and the login that comes over a page whose session has ended.

import './shell.css'
import { Link, Outlet, useRouterState } from '@tanstack/react-router'
import { lazy, Suspense, useEffect, useRef, useState } from 'react'
import { useConnection, useLiveRuns } from '../api/live.ts'
import { useIdentity } from '../api/session.ts'
import type { Identity } from '../api/types.ts'
import { Button, LinkButton } from '../ui/button.tsx'
import { Icon } from '../ui/icon.tsx'
import { setTheme, themes, themeWords, useTheme } from './theme.ts'

const UserMenu = lazy(async () => ({ default: (await import('./user-menu.tsx')).UserMenu }))
const LoginDialog = lazy(async () => ({ default: (await import('../features/session/login-dialog.tsx')).LoginDialog }))
const Palette = lazy(async () => ({ default: (await import('./palette.tsx')).Palette }))

export function Shell() {
  const identity = useIdentity()
  const isLoggedIn = identity !== undefined && identity.kind !== 'anonymous'
  const path = useRouterState({ select: ({ location }) => location.pathname })
  const isEntrance = path === '/login' || path === '/register' || path === '/setup'
  useLiveRuns(isLoggedIn ? (identity.user?.id ?? 'administrator') : undefined)
  useFocusOnNavigation(path)
  return (
    <>
      <a className="button skip visually-hidden" href="#main">
        Skip to the content
      </a>
      {isEntrance ? null : <TopBar identity={identity} />}
      <Outlet />
      {isEntrance ? null : <LoginAgain isLoggedIn={isLoggedIn} isKnown={identity !== undefined} />}
    </>
  )
}

/** A new page begins at its heading, for those who hear it. Not on the first one, where the browser begins at the top. */
function useFocusOnNavigation(path: string): void {
  const last = useRef(path)
  useEffect(() => {
    if (last.current === path) return
    last.current = path
    const timer = setTimeout(() => {
      if (document.activeElement !== null && document.activeElement !== document.body) return
      const heading = document.querySelector<HTMLElement>('main h1')
      heading?.setAttribute('tabindex', '-1')
      heading?.focus({ preventScroll: true })
    }, 100)
    return () => clearTimeout(timer)
  }, [path])
}

export function Brand() {
  return (
    <Link to="/" className="brand">
      <svg viewBox="0 0 32 32" fill="currentColor" aria-hidden="true">
        <path d="M4 6h24v3H4zM7 12h18l-4.5 8h-9zM2 25.5 30 22v3L2 28.5z" />
      </svg>
      <span className="words">Slipway</span>
      <span className="visually-hidden">Home</span>
    </Link>
  )
}

function TopBar({ identity }: { readonly identity: Identity | undefined }) {
  const [isFinding, setFinding] = useState(false)
  const isLoggedIn = identity !== undefined && identity.kind !== 'anonymous'
  useEffect(() => {
    if (!isLoggedIn) return
    const onKey = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== 'k' || !(event.metaKey || event.ctrlKey)) return
      event.preventDefault()
      setFinding(true)
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [isLoggedIn])
  return (
    <header className="top">
      <Brand />
      {isLoggedIn ? (
        <>
          <nav className="nav" aria-label="Main">
            <Link to="/" activeOptions={{ exact: true }}>
              Home
            </Link>
            <Link to="/projects">Projects</Link>
            {identity.isAdmin ? (
              <Link to="/admin/$section" params={{ section: 'executors' }}>
                Admin
              </Link>
            ) : null}
          </nav>
          <ConnectionNote />
          <Button className="button find" onClick={() => setFinding(true)}>
            <Icon name="search" />
            <span className="words">Go to…</span>
            <span className="visually-hidden">Go to a project, run or page</span>
            <kbd>⌃K</kbd>
          </Button>
          {isFinding ? (
            <Suspense fallback={null}>
              <Palette onClose={() => setFinding(false)} />
            </Suspense>
          ) : null}
          <UserMenuButton name={identity.user?.name ?? 'administrator'} />
        </>
      ) : identity === undefined ? null : (
        <span className="row find">
          <ThemeButton />
          <LinkButton to="/login">Log in</LinkButton>
        </span>
      )}
    </header>
  )
}

function ConnectionNote() {
  const connection = useConnection()
  return (
    <span role="status" className="connection">
      {connection === 'lost' ? (
        <>
          <Icon name="warning" /> Reconnecting…
        </>
      ) : null}
    </span>
  )
}

function ThemeButton() {
  const theme = useTheme()
  const next = themes[(themes.indexOf(theme) + 1) % themes.length]!
  return (
    <Button
      kind="quiet"
      icon={theme === 'dark' ? 'moon' : 'sun'}
      aria-label={`Theme: ${themeWords[theme]}. Change to: ${themeWords[next]}`}
      onClick={() => setTheme(next)}
    />
  )
}

/** The menu is loaded when one is about to open it. */
function UserMenuButton({ name }: { readonly name: string }) {
  const [isWanted, setWanted] = useState(false)
  const button = (
    <Button
      kind="quiet"
      className="button who"
      aria-haspopup="menu"
      onPointerEnter={() => void import('./user-menu.tsx')}
      onFocus={() => void import('./user-menu.tsx')}
      onClick={() => setWanted(true)}
    >
      <Icon name="person" />
      <span className="visually-hidden">Menu of</span>
      <span className="words">{name}</span>
      <Icon name="down" />
    </Button>
  )
  if (!isWanted) return button
  return (
    <Suspense fallback={button}>
      <UserMenu name={name} />
    </Suspense>
  )
}

/** Over the page one was on, which stays as it was with all that was typed. */
function LoginAgain({ isLoggedIn, isKnown }: { readonly isLoggedIn: boolean; readonly isKnown: boolean }) {
  const wasLoggedIn = useRef(false)
  if (isLoggedIn) wasLoggedIn.current = true
  const hasEnded = wasLoggedIn.current && isKnown && !isLoggedIn
  const [hasBeen, setHasBeen] = useState(false)
  if (hasEnded && !hasBeen) setHasBeen(true)
  return hasBeen ? (
    <Suspense fallback={null}>
      <LoginDialog isOpen={hasEnded} />
    </Suspense>
  ) : null
}
