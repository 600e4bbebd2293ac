using Tessera.Models.Layers;
using Tessera.Training.Losses;
using Tessera.Training.Tasks.Segmentation;

namespace Tessera.Conformance.Cases;

[Case("segmentation.loss")]
internal sealed class SegmentationLoss : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("align_corners", false);
        var (logits, labels, ignored) = (run.Input("logits"), run.Input("labels"), c.Int("ignore_index"));
        c.Expect("num_classes", logits.Size(1));
        c.Expect("label_size", labels.Shape.ToArray()[1..]);
        run.Output("upsampled", logits.ResizeTo(labels.Size(1), labels.Size(2)));
        run.Output("loss_mean_all", SegmentationLosses.CrossEntropy(logits, labels, ignored: ignored, overAll: true).Mean());
        run.Output("loss_mean_valid", SegmentationLosses.CrossEntropy(logits, labels, ignored: ignored).Mean());
        var (right, counted) = SegmentationLosses.Accuracy(logits, labels, ignored);
        run.Output("acc_all", [100 * right / labels.Elements]);
        run.Output("acc_valid", 100 * right / counted);
    }
}

[Case("segmentation.slide-inference")]
internal sealed class SlideInference : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var (weight, bias, x) = (run.Parameter("weight"), run.Parameter("bias"), run.Input("x"));
        c.Expect("image_size", x.Shape.ToArray()[2..]);
        var sliding = new SlidingWindow(c.Size("crop_size"), c.Size("stride"));
        var windows = sliding.Windows((int)x.Size(2), (int)x.Size(3));
        run.Output("windows", windows.SelectMany(w => new double[] { w.Top, w.Left, w.Bottom, w.Right }), windows.Count, 4);
        run.Output("output", sliding.Scores(x, window => Torch.Conv2d(window, weight, bias, padding: 1)));
    }
}

[Case("metrics.miou")]
internal sealed class MeanIntersectionOverUnion : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var classes = c.Int("num_classes");
        var (prediction, label) = (run.Input("prediction"), run.Input("label"));
        var confusion = new PixelConfusion(classes, c.Int("ignore_index"), c.Bool("reduce_zero_label"));
        for (var i = 0; i < label.Size(0); i++)
            confusion.Add(prediction.Select(0, i), label.Select(0, i));
        var scores = confusion.Measure();
        run.Output("aAcc", scores.PixelAccuracy);
        run.Output("acc", scores.Accuracy.Select(Defined));
        run.Output("iou", scores.Iou.Select(Defined));
        run.Output("dice", scores.Dice.Select(Defined));
        run.Output("mIoU", scores.MeanIou);
        run.Output("mAcc", scores.MeanAccuracy);
        run.Output("mDice", scores.MeanDice);
        run.Output("confusion", scores.Confusion.SelectMany(row => row).Select(count => (double)count), classes, classes);
    }

    private static double Defined(double value) => double.IsNaN(value) ? -1 : value;
}
