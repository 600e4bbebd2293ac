using Tessera.Data.Checks;

namespace Tessera.Data.Tests;

/// <summary>What tests ask of a report about a data set.</summary>
internal static class Findings
{
    /// <summary>The only finding of a severity whose text has these words.</summary>
    public static Finding Single(this CheckReport report, Severity severity, string text)
    {
        var found = report.Of(severity).Where(finding => finding.Text.Contains(text, StringComparison.Ordinal)).ToArray();
        Assert.True(found.Length == 1, $"'{text}' is there {found.Length} times: {string.Join("\n", report.Findings)}");
        return found[0];
    }

    /// <summary>None of these words are in any finding.</summary>
    public static void IsSilentOn(this CheckReport report, params string[] texts) =>
        Assert.DoesNotContain(report.Findings, finding => texts.Any(text => finding.Text.Contains(text, StringComparison.Ordinal)));
}
