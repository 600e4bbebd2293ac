using Tessera.Models;
using Tessera.Training.Generation;

namespace Tessera.Conformance.Cases;

[Case("gan-eval.inception-network")]
internal sealed class GenerationInception : GoldenCase
{
    private const int Blocks = 3;

    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var input = run.Input("x");
        c.Expect("image_size", input.Size(2));
        c.Expect("features", FidInception.NumFeatures);
        var network = run.Load(new FidInception(c.Int("num_classes"), c.Int("resize")));
        using var taps = new Taps(network, "block*");
        var features = network.Call(input);
        for (var block = 0; block < Blocks; block++)
            run.Output($"out.block{block}", taps[$"block{block}"]);
        run.Output("out.features", features);
        run.Output("out.logits", network.Classify(features));
    }
}

[Case("gan-eval.scores")]
internal sealed class GenerationScores : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var (real, fake) = (run.Input("real"), run.Input("fake"));
        c.Expect("real", real.Size(0));
        c.Expect("fake", fake.Size(0));
        c.Expect("dim", real.Size(1));
        using var ofReal = FeatureStatistics.Of(real);
        using var ofFake = FeatureStatistics.Of(fake);
        run.Output("fid", FrechetDistance.Between(ofReal, ofFake));
        run.Output("kid", KernelDistance.Between(real, fake));
        var score = ClassScore.Of(run.Input("logits"), c.Int("splits"));
        run.Output("inception_score", [score.Mean, score.Deviation], 2);
    }
}

[Case("metrics.fid")]
internal sealed class GenerationFid : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        using var real = FeatureStatistics.Of(run.Input("real"));
        using var fake = FeatureStatistics.Of(run.Input("fake"));
        run.Output("mean_real", real.Mean);
        run.Output("cov_real", real.Covariance);
        run.Output("fid", FrechetDistance.Between(real, fake));
        run.Output("inception_score", ClassScore.Of(run.Input("logits"), splits: 1).Mean);
    }
}
