namespace Tessera.Conformance;

/// <summary>Counts verdicts, and holds the number of files that rounding excuses to a limit.</summary>
/// <param name="precision">Name of the precision that files are excused in.</param>
/// <param name="limited">The folder whose files the limit is for; null for no limit.</param>
/// <param name="mostExcused">How many of them may be excused.</param>
internal sealed class Tally(string precision, string? limited, int mostExcused)
{
    private readonly List<Verdict> excused = [];

    public int Passed { get; private set; }
    public int Failed { get; private set; }
    public int Skipped { get; private set; }

    /// <summary>Excused files that the limit is for.</summary>
    public int Counted => limited is null ? 0 : excused.Count(verdict => IsBelow(limited, verdict.File.Path));

    /// <summary>No file failed, and no more were excused than may be.</summary>
    public bool Good => Failed == 0 && Counted <= mostExcused;

    public void Add(Verdict verdict)
    {
        if (verdict.Passed == true)
            Passed++;
        else if (verdict.Passed == false)
            Failed++;
        else
            Skipped++;
        if (verdict.Excused)
            excused.Add(verdict);
    }

    /// <summary>Which files were excused, whether they are too many, and last the line with the counts.</summary>
    public IEnumerable<string> Lines
    {
        get
        {
            if (excused.Count > 0)
                yield return $"beyond the tolerances of {precision} by no more than rounding, {excused.Count} of {Passed + Failed} files: "
                    + string.Join(", ", excused.Select(verdict => $"{verdict.File.Case} {verdict.File.Name}"));
            if (Counted > mostExcused)
                yield return $"FAIL  rounding excuses {Counted} files below {limited}, Precision.MostExcused allows {mostExcused}";
            yield return $"{Passed} passed, {Failed} failed, {Skipped} skipped";
        }
    }

    private static bool IsBelow(string folder, string path) =>
        Path.GetFullPath(path).StartsWith(Path.GetFullPath(folder) + Path.DirectorySeparatorChar, StringComparison.Ordinal);
}
