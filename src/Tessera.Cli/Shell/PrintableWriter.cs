using System.Text;

namespace Tessera.Cli.Shell;

/// <summary>Writes lines as <see cref="Printable"/> text.</summary>
/// <param name="to">Takes them.</param>
internal sealed class PrintableWriter(TextWriter to) : TextWriter(System.Globalization.CultureInfo.InvariantCulture)
{
    public override Encoding Encoding => to.Encoding;

    public override void Write(char value) => to.Write(Printable.Of(value.ToString()));

    public override void Write(string? value) => to.Write(Printable.Of(value ?? ""));

    public override void WriteLine(string? value) => to.WriteLine(Printable.Of(value ?? ""));

    public override void WriteLine() => to.WriteLine();

    public override void Flush() => to.Flush();
}
