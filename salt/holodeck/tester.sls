# Testers need nothing of their own: a service's suite comes as a bundle.
holodeck-tester-reports:
  file.directory:
    - name: /var/lib/holodeck/webtest
    - mode: '0750'
    - makedirs: true
