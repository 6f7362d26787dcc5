// The scripts that make a shell ask `slipway __complete` what may follow. Where it has nothing to say, the shell offers files.

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

export const completionScripts: Readonly<Record<Shell, string>> = {
  bash: `# slipway completion for bash: put  source <(slipway completion bash)  into ~/.bashrc
_slipway() {
  local IFS=$'\\n' words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  COMPREPLY=($(slipway __complete -- "\${words[@]}" 2>/dev/null | cut -f1))
}
complete -o default -F _slipway slipway
`,
  zsh: `#compdef slipway
# slipway completion for zsh: put  source <(slipway completion zsh)  into ~/.zshrc
_slipway() {
  local -a candidates
  local line
  while IFS= read -r line; do
    candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done < <(slipway __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( \${#candidates} )); then _describe slipway candidates; else _files; fi
}
compdef _slipway slipway
`,
  fish: `# slipway completion for fish: put  slipway completion fish | source  into ~/.config/fish/config.fish
function __slipway_complete
  set -l words (commandline -opc) (commandline -ct)
  slipway __complete -- $words[2..] 2>/dev/null
end
complete -c slipway -a '(__slipway_complete)'
`,
}
