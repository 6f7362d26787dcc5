import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { addressOfPath, crumbsOf } from '../app/project-address.ts'

type PageProps = {
  readonly title: ReactNode
  readonly above?: ReactNode
  readonly below?: ReactNode
  readonly actions?: ReactNode
  readonly isWide?: boolean
  readonly children: ReactNode
}

/** A page: where one is, its heading, what can be done with it, and its content. */
export function Page({ title, above, below, actions, isWide = false, children }: PageProps) {
  return (
    <main id="main" className="page stack" {...(isWide ? { 'data-wide': '' } : {})}>
      <div className="page-head">
        <div className="title">
          {above}
          <h1>{title}</h1>
          {below}
        </div>
        {actions === undefined ? null : <div className="row">{actions}</div>}
      </div>
      {children}
    </main>
  )
}

/** The groups above a project or group. */
export function PathCrumbs({ path, children }: { readonly path: string; readonly children?: ReactNode }) {
  return (
    <nav aria-label="Where this is">
      <ol className="crumbs">
        <li>
          <Link to="/projects">Projects</Link>
        </li>
        {crumbsOf(path).map((crumb) => (
          <li key={crumb.path}>
            <Link to="/groups/$group" params={{ group: addressOfPath(crumb.path) }}>
              {crumb.name}
            </Link>
          </li>
        ))}
        {children}
      </ol>
    </nav>
  )
}

export function Panel({
  title,
  actions,
  children,
  isPadded = true,
  id,
}: {
  readonly title?: ReactNode
  readonly actions?: ReactNode
  readonly children: ReactNode
  readonly isPadded?: boolean
  readonly id?: string
}) {
  return (
    <section className="panel" {...(id === undefined ? {} : { id })}>
      {title === undefined ? null : (
        <div className="panel-head">
          <h2>{title}</h2>
          {actions}
        </div>
      )}
      {isPadded ? <div className="panel-body">{children}</div> : children}
    </section>
  )
}
