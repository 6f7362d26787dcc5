import { Dialog } from '../../ui/dialogs.tsx'
import { LoginForm } from './login-form.tsx'

/** Over the page one is on; it goes when one is logged in. */
export function LoginDialog({ isOpen }: { readonly isOpen: boolean }) {
  return (
    <Dialog isOpen={isOpen} onOpenChange={() => undefined} title="Your session has ended" isClosable={false}>
      <p>Log in again; this page stays as it is.</p>
      <LoginForm />
    </Dialog>
  )
}
