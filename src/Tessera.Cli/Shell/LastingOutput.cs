using System.Text;

namespace Tessera.Cli.Shell;

/// <summary>
/// Output that may lose its terminal: what is printed after that is seen by nobody and is left out, so that a training can write its
/// checkpoint, or go on. Any other error, such as a full disk, is one.
/// </summary>
/// <param name="to">Takes the output.</param>
internal sealed class LastingOutput(TextWriter to) : TextWriter(System.Globalization.CultureInfo.InvariantCulture)
{
    // What .NET gives as the result of the error on Linux: EIO, a terminal that has gone.
    private const int InputOutputError = 5;

    /// <summary>Makes the standard output and the standard error last.</summary>
    internal static void Install()
    {
        if (!Console.IsOutputRedirected)
            Console.SetOut(new LastingOutput(Console.Out));
        if (!Console.IsErrorRedirected)
            Console.SetError(new LastingOutput(Console.Error));
    }

    /// <summary>Whether the terminal has gone.</summary>
    internal bool IsGone { get; private set; }

    public override Encoding Encoding => to.Encoding;

    public override void Write(char value) => Try(() => to.Write(value));

    public override void Write(char[] buffer, int index, int count) => Try(() => to.Write(buffer, index, count));

    public override void Write(string? value) => Try(() => to.Write(value));

    public override void WriteLine(string? value) => Try(() => to.WriteLine(value));

    public override void WriteLine() => Try(to.WriteLine);

    public override void Flush() => Try(to.Flush);

    private void Try(Action write)
    {
        if (IsGone)
            return;
        try
        {
            write();
        }
        catch (IOException error) when (error.HResult == InputOutputError)
        {
            IsGone = true;
        }
    }
}
