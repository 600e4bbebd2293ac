using System.Text.RegularExpressions;

namespace Tessera.Packages.Tests;

/// <summary>The native library of this checkout, which scripts/pack puts into a package.</summary>
public sealed partial class NativeLibraryTests
{
    [Theory]
    [InlineData("GLIBC", "2.27")]
    // GCC 12's libstdc++, that of Debian 12.
    [InlineData("GLIBCXX", "3.4.30")]
    [InlineData("CXXABI", "1.3.13")]
    public void It_asks_for_no_symbol_that_is_newer_than(string family, string newest)
    {
        var symbols = Commands.Output(Checkout.Root, "objdump", "-T", Checkout.NativeLibrary).Split('\n');
        var asked = symbols
            .Select(line => (Line: line, Match: Versions().Match(line)))
            .Where(symbol => symbol.Match.Success && symbol.Match.Groups[1].Value == family)
            .ToArray();
        Assert.NotEmpty(asked);
        Assert.Empty(
            asked.Where(symbol => Version.Parse(symbol.Match.Groups[2].Value) > Version.Parse(newest)).Select(symbol => symbol.Line)
        );
    }

    [GeneratedRegex(@"\b([A-Z]+)_(\d+\.\d+(?:\.\d+)?)\b")]
    private static partial Regex Versions();
}
