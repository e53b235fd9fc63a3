"""Where the stages run. `local` is threads in this process."""
