using Spectre.Console;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Training;

namespace Tessera.Cli.Tests;

public sealed class PrintableTests
{
    [Theory]
    [InlineData("plain.png", "plain.png")]
    [InlineData("b\u00e4r \u732b \U0001F600.png", "b\u00e4r \u732b \U0001F600.png")]
    [InlineData("a\u001b[31mred", @"a\x1b[31mred")]
    [InlineData("a\r\nb\tc", @"a\r\nb\tc")]
    [InlineData("a\0b\u007fc\u009bd", @"a\x00b\x7fc\x9bd")]
    [InlineData("invoice\u202egpj.exe", @"invoice\u202egpj.exe")]
    [InlineData("\u2066a\u2069\u200e\u200f\u061c\u2028\u2029\ufeff", @"\u2066a\u2069\u200e\u200f\u061c\u2028\u2029\ufeff")]
    [InlineData("\U000E0041", @"\U000e0041")]
    // Parts of words: joined emoji, marks on letters.
    [InlineData("\U0001F468\u200d\U0001F469 e\u0301 \u2764\ufe0f", "\U0001F468\u200d\U0001F469 e\u0301 \u2764\ufe0f")]
    public void Control_characters_are_shown(string text, string shown)
    {
        Assert.Equal(shown, Printable.Of(text));
        Assert.Equal(shown, Printable.Of(shown));
    }

    [Fact]
    public void Halves_of_surrogate_pairs_are_shown() => Assert.Equal(@"a\ud83db\ude00", Printable.Of("a\ud83db\ude00"));

    [Theory]
    [InlineData("abc", 3)]
    [InlineData("b\u00e4r", 3)]
    [InlineData("\u732b", 2)]
    [InlineData("\ud55c\uae00", 4)]
    [InlineData("\uff21", 2)]
    [InlineData("e\u0301", 1)]
    [InlineData("\U0001F600", 2)]
    [InlineData("\u2764\ufe0f", 2)]
    [InlineData("\U0001F468\u200d\U0001F469\u200d\U0001F467", 2)]
    [InlineData("\U0001F1E9\U0001F1EA", 2)]
    public void Wide_signs_take_two_columns_and_marks_none(string text, int width) => Assert.Equal(width, CellWidth.Of(text));

    private static TextTable Table()
    {
        var table = new TextTable(new("class"), new("n", Right: true));
        table.Add("cat", "1");
        table.Add("\u732b\u732b", "20");
        table.Add("e\u0301\n\u001b", "300");
        return table;
    }

    [Fact]
    public void Columns_of_plain_tables_stand_below_each_other()
    {
        using var to = new StringWriter();
        Table().WritePlain(to);
        string[] lines = [.. to.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.TrimEnd('\r'))];
        Assert.Equal(["class      n", "cat        1", "\u732b\u732b      20", "e\u0301\\n\\x1b  300"], lines);
        Assert.All(lines, line => Assert.Equal(12, CellWidth.Of(line)));
    }

    [Fact]
    public void Drawn_tables_show_no_control_characters()
    {
        using var to = new StringWriter();
        var console = AnsiConsole.Create(
            new AnsiConsoleSettings
            {
                Ansi = AnsiSupport.No,
                ColorSystem = ColorSystemSupport.NoColors,
                Out = new AnsiConsoleOutput(to),
            }
        );
        console.Write(Table().Draw());
        Assert.Contains(@"\n\x1b", to.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', to.ToString());
    }

    [Fact]
    public void Progress_and_errors_show_no_control_characters()
    {
        using var to = new StringWriter();
        using (var clean = new PrintableWriter(to))
        {
            var view = new PlainTrainingView(clean, TimeProvider.System);
            view.Handle(new ImageUnreadable(new(0, "a\u001b[2J\nb.png", "cut off"), "train", 1));
        }
        Errors.WriteLine(to, "there is no class '\u001b]0;x\u0007'");
        Assert.Equal(
            [@"a\x1b[2J\nb.png cannot be read: cut off", @"tessera: there is no class '\x1b]0;x\x07'"],
            to.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.TrimEnd('\r'))
        );
        using var live = new StringWriter();
        var console = AnsiConsole.Create(
            new AnsiConsoleSettings
            {
                Ansi = AnsiSupport.No,
                ColorSystem = ColorSystemSupport.NoColors,
                Out = new AnsiConsoleOutput(live),
            }
        );
        new LiveTrainingView(console).Handle(new ImageUnreadable(new(0, "a\u001b[2J\nb.png", "cut off"), "train", 1));
        Assert.Contains(@"a\x1b[2J\nb.png cannot be read", live.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Output_outlives_its_terminal_but_no_full_disk()
    {
        var gone = new Broken(5);
        using var output = new LastingOutput(gone);
        output.WriteLine("x");
        output.Write("y");
        output.Flush();
        Assert.True(output.IsGone);
        Assert.Equal(1, gone.Tried);
        using var full = new LastingOutput(new Broken(28));
        Assert.Throws<IOException>(() => full.WriteLine("x"));
    }

    private sealed class Broken(int error) : StringWriter
    {
        internal int Tried { get; private set; }

        public override void Write(string? value) => Fail();

        public override void WriteLine(string? value) => Fail();

        public override void Flush() => Fail();

        private void Fail()
        {
            Tried++;
            throw new IOException("broken", error);
        }
    }
}
