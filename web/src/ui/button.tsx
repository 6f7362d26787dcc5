import { Link, type LinkProps } from '@tanstack/react-router'
import type { ButtonHTMLAttributes, ReactNode } from 'react'
import { Icon, type IconName } from './icon.tsx'

type Look = {
  readonly kind?: 'primary' | 'danger' | 'quiet'
  readonly size?: 'small'
  readonly icon?: IconName
}

function lookOf({ kind, size, isIconOnly }: Look & { isIconOnly: boolean }) {
  return {
    className: 'button',
    ...(kind === undefined ? {} : { 'data-kind': kind }),
    ...(size === undefined ? {} : { 'data-size': size }),
    ...(isIconOnly ? { 'data-icon-only': '' } : {}),
  }
}

type ButtonProps = Look & ButtonHTMLAttributes<HTMLButtonElement> & { readonly isBusy?: boolean }

/** A button; with an icon and no content it needs an `aria-label`. While busy it stays where the focus is and does nothing. */
export function Button({ kind, size, icon, isBusy = false, children, onClick, ...rest }: ButtonProps) {
  const look = lookOf({
    ...(kind === undefined ? {} : { kind }),
    ...(size === undefined ? {} : { size }),
    isIconOnly: children === undefined,
  })
  return (
    <button
      type="button"
      {...look}
      {...rest}
      {...(isBusy ? { 'aria-disabled': true, onClick: (event) => event.preventDefault() } : { onClick })}
    >
      {icon === undefined ? null : <Icon name={icon} />}
      {children}
    </button>
  )
}

export function LinkButton({
  kind,
  size,
  icon,
  children,
  ...link
}: Look & LinkProps & { readonly children?: ReactNode }) {
  const look = lookOf({
    ...(kind === undefined ? {} : { kind }),
    ...(size === undefined ? {} : { size }),
    isIconOnly: children === undefined,
  })
  return (
    <Link {...look} {...link}>
      {icon === undefined ? null : <Icon name={icon} />}
      {children}
    </Link>
  )
}
