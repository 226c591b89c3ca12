# Builders: git, a Python with headers-free venvs, uv and a packager.
holodeck-builder-packages:
  pkg.installed:
    - pkgs:
      - git
      - binutils
      - python3-venv
