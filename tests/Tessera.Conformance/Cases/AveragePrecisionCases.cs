using Tessera.Training.Tasks.Detection;
using Tessera.Training.Tasks.Detection.Scoring;

namespace Tessera.Conformance.Cases;

/// <summary>Precision and recall of boxes and masks, from the files that the case writes: what users score.</summary>
[Case("metrics.coco-ap", OnCpu = true)]
internal sealed class CocoFigures : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var folder = Directory.CreateTempSubdirectory("tessera-golden-");
        try
        {
            string Written(string name)
            {
                var path = Path.Combine(folder.FullName, $"{name}.json");
                File.WriteAllText(path, run.Config[name].GetRawText());
                return path;
            }
            var options = new ScoreOptions();
            var set = ScoredSet.Read(ScoredTruth.Read(Written("ground_truth"), options), Written("detections"), options);
            if (set.UnknownImages.Count + set.UnknownClasses.Count > 0)
                throw new GoldenMismatchException("detections of images or classes that the truth does not have");
            var found = set.Measure();
            Write(run, "bbox", found.Boxes);
            if (found.Masks is { } masks)
                Write(run, "segm", masks);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static void Write(GoldenRun run, string name, CocoScores scores)
    {
        int[] classes = [.. Enumerable.Range(0, scores.PerClass.Count)];
        int[] thresholds = [.. Enumerable.Range(0, scores.Thresholds.Count)];
        run.Output($"{name}.stats", scores.Summary.Select(one => one.Value), scores.Summary.Count);
        run.Output($"{name}.ap_per_category", scores.PerClass.Select(own => own.Ap), classes.Length);
        run.Output($"{name}.ap_per_iou", scores.PerThreshold, thresholds.Length);
        run.Output(
            $"{name}.recall",
            thresholds.SelectMany(t => classes.Select(label => scores.Recall(label, t))),
            thresholds.Length,
            classes.Length
        );
        var curves = classes.Select(label => scores.Precision(label, 0)).ToArray();
        var points = curves[0].Count;
        run.Output(
            $"{name}.precision50",
            Enumerable.Range(0, points).SelectMany(r => curves.Select(curve => curve[r])),
            points,
            classes.Length
        );
    }
}
