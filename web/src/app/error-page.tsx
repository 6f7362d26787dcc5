import { type ErrorComponentProps, useRouter } from '@tanstack/react-router'
import { LinkButton } from '../ui/button.tsx'
import { Problem } from '../ui/load-state.tsx'
import { usePageTitle } from './page-head.ts'

/** A page that failed as a whole: the frame around it stays. */
export function PageError({ error, reset }: ErrorComponentProps) {
  const router = useRouter()
  usePageTitle('Problem')
  const retry = () => {
    reset()
    void router.invalidate()
  }
  return (
    <main id="main" className="page stack">
      <h1>This page cannot be shown</h1>
      <Problem error={error} retry={retry} />
    </main>
  )
}

export function NotFound() {
  usePageTitle('Not found')
  return (
    <main id="main" className="page stack">
      <h1>There is nothing here</h1>
      <p className="soft">The address may be mistyped, or what was here has been removed or moved.</p>
      <div>
        <LinkButton to="/">Go home</LinkButton>
      </div>
    </main>
  )
}
