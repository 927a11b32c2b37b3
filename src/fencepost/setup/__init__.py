"""What a new installation needs: a data folder, certificates, tokens and ids."""
