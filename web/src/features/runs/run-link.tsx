import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { addressOfPath } from '../../app/project-address.ts'

/** Whose run it is, as addresses have it. */
export type OwnerRef = { readonly type: 'project' | 'user'; readonly ref: string }

type Props = {
  readonly owner: OwnerRef
  readonly number: number
  readonly children: ReactNode
  readonly className?: string
}

export function RunLink({ owner, number, children, className }: Props) {
  const look = className === undefined ? {} : { className }
  return owner.type === 'project' ? (
    <Link
      to="/projects/$project/runs/$number"
      params={{ project: addressOfPath(owner.ref), number: String(number) }}
      {...look}
    >
      {children}
    </Link>
  ) : (
    <Link to="/users/$user/runs/$number" params={{ user: owner.ref, number: String(number) }} {...look}>
      {children}
    </Link>
  )
}

type TaskProps = Props & { readonly taskId: string; readonly step?: string; readonly lines?: string }

export function TaskLink({ owner, number, taskId, step, lines, children, className }: TaskProps) {
  const look = className === undefined ? {} : { className }
  const search = { step }
  const place = lines === undefined ? {} : { hash: lines }
  return owner.type === 'project' ? (
    <Link
      to="/projects/$project/runs/$number/tasks/$task"
      params={{ project: addressOfPath(owner.ref), number: String(number), task: taskId }}
      search={search}
      {...place}
      {...look}
    >
      {children}
    </Link>
  ) : (
    <Link
      to="/users/$user/runs/$number/tasks/$task"
      params={{ user: owner.ref, number: String(number), task: taskId }}
      search={search}
      {...place}
      {...look}
    >
      {children}
    </Link>
  )
}
