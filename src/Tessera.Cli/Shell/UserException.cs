namespace Tessera.Cli.Shell;

/// <summary>A wrong command line; the message is one line and says what would be right.</summary>
internal sealed class UserException(string message) : Exception(message);
