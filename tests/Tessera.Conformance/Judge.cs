namespace Tessera.Conformance;

/// <summary>What became of a golden file.</summary>
/// <param name="File">The file.</param>
/// <param name="Passed">Null when nobody implements its case.</param>
/// <param name="Excused">It is beyond the tolerances in the shorter precision by no more than rounding: float64 alone judged it.</param>
/// <param name="Lines">A line with the verdict, then what is wrong.</param>
internal sealed record Verdict(GoldenFile File, bool? Passed, bool Excused, IReadOnlyList<string> Lines);

/// <summary>Runs golden files in the precisions that they have to pass in.</summary>
/// <param name="device">Where models and inputs lie; what is about files is on the processor whatever is given.</param>
/// <param name="inShort">Under autocast to bfloat16, instead of float64 and float32.</param>
/// <param name="verbose">All that is wrong, and where errors come from.</param>
internal sealed class Judge(Device device, bool inShort = false, bool verbose = false)
{
    public Verdict Of(GoldenFile file)
    {
        if (!GoldenCase.All.TryGetValue(file.Case, out var known))
            return new(file, null, false, [$"missing  {file.Case}  {file.Name}"]);
        return inShort && known.Case is { OnCpu: false, Steps: false }
            ? InShort(file, known.Type)
            : Whole(file, known.Type, known.Case.OnCpu ? Device.Cpu : device);
    }

    private Verdict Whole(GoldenFile file, Type type, Device on)
    {
        var exact = Execute(file, type, Precision.Float64, on);
        var single = Execute(file, type, Precision.Float32, on);
        var excused = exact.Passed && !single.Passed && IsRounding(single, exact, file, type, on, Math.Pow(2, -18));
        var problems = exact
            .Failures.Select(f => $"      [float64] {f}")
            .Concat(excused ? [] : single.Failures.Select(f => $"      [float32] {f}"))
            .ToArray();
        // The error as a share of what is allowed: 1 is the limit.
        var worst = excused ? exact.Worst : Math.Max(exact.Worst, single.Worst);
        return Say(file, problems, worst, excused, "  (ill-conditioned in float32: judged in float64)");
    }

    private Verdict InShort(GoldenFile file, Type type)
    {
        var run = Execute(file, type, Precision.BFloat16, device);
        var excused =
            !run.Passed
            && Execute(file, type, Precision.Float64, device) is { Passed: true } exact
            && IsRounding(run, exact, file, type, device, Math.Pow(2, -8));
        return Say(
            file,
            excused ? [] : [.. run.Failures.Select(f => $"      [bf16] {f}")],
            run.Worst,
            excused,
            "  (beyond the tolerance, but no more than rounding: ill-conditioned in bf16)"
        );
    }

    private Verdict Say(GoldenFile file, string[] problems, double worst, bool excused, string excuse) =>
        new(
            file,
            problems.Length == 0,
            excused,
            [
                $"{(problems.Length == 0 ? "pass" : "FAIL")}  {file.Case}  {file.Name}  {worst:G3}{(excused ? excuse : "")}",
                .. problems.Take(verbose ? int.MaxValue : 4),
            ]
        );

    // The share of a weight or input that it is changed by stands for many roundings: of some thousand in float32, of one in bfloat16.
    private bool IsRounding(GoldenRun run, GoldenRun exact, GoldenFile file, Type type, Device on, double share) =>
        run.IsRounding(exact, [])
        || run.IsRounding(exact, [.. Enumerable.Range(1, 3).Select(seed => Execute(file, type, Precision.Float64, on, (seed, share)))]);

    private GoldenRun Execute(GoldenFile file, Type type, Precision precision, Device on, (int Number, double Share) perturbation = default)
    {
        var run = new GoldenRun(file, precision, on, perturbation);
        try
        {
            using var scope = new Scope();
            Torch.Seed((ulong)perturbation.Number);
            using (precision.Short is { } shorter ? Torch.Autocast(shorter, on.Type) : null)
                ((GoldenCase)Activator.CreateInstance(type)!).Run(run);
            run.Finish();
        }
        catch (GoldenMismatchException mismatch)
        {
            run.Fail(mismatch.Message);
        }
        catch (Exception e)
        {
            run.Fail($"{e.GetType().Name}: {(verbose ? e : e.Message)}");
        }
        return run;
    }
}
