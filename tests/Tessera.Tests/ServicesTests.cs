using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Tessera.Data.Imaging;
using Tessera.Training;

namespace Tessera.Hosting.Tests;

[Collection(TrainedRunGroup.Name)]
public sealed class ServicesTests(TrainedRun run)
{
    private static IHost Host(Action<HostApplicationBuilder> configure)
    {
        var builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(null);
        configure(builder);
        return builder.Build();
    }

    [Fact]
    public async Task A_host_loads_the_model_as_it_starts_and_everyone_shares_it()
    {
        Predictor predictor;
        using (var host = Host(builder => builder.Services.AddTessera(options => options.Run = run.Path)))
        {
            await host.StartAsync();
            predictor = host.Services.GetRequiredService<Predictor>();
            Assert.Same(predictor, host.Services.GetRequiredService<Predictor>());
            var images = host.Services.GetRequiredService<IEmbeddingGenerator<Image, Embedding<float>>>();
            var contents = host.Services.GetRequiredService<IEmbeddingGenerator<DataContent, Embedding<float>>>();
            Assert.Same(images, contents);
            Assert.Same(predictor, images.GetService<Predictor>());
            Assert.Equal(3, (await predictor.PredictAsync(run.TestPhotos[0].File)).Classes.Count);
            await host.StopAsync();
        }
        // It goes with the host.
        await Assert.ThrowsAsync<ObjectDisposedException>(() => predictor.PredictAsync(run.TestPhotos[0].File));
    }

    [Fact]
    public async Task Models_by_name_are_services_by_that_key()
    {
        using var host = Host(builder =>
            builder
                .Services.AddTessera("fast", options => options.Run = run.Path)
                .AddTessera("plain", options => (options.Run, options.Compiled) = (run.Path, false))
                .AddTessera("plain", options => options.Top = 2)
        );
        await host.StartAsync();
        var fast = host.Services.GetRequiredKeyedService<Predictor>("fast");
        var plain = host.Services.GetRequiredKeyedService<Predictor>("plain");
        Assert.Equal(("fast", true, "plain", false), (fast.Name, fast.IsCompiled, plain.Name, plain.IsCompiled));
        // What was configured twice is one model.
        Assert.Equal(2, plain.Predict(run.TestPhotos[0].File).Classes.Count);
        Assert.Single(host.Services.GetKeyedServices<Predictor>("plain"));
        Assert.Same(
            plain,
            host.Services.GetRequiredKeyedService<IEmbeddingGenerator<DataContent, Embedding<float>>>("plain").GetService<Predictor>()
        );
        Assert.Null(host.Services.GetService<Predictor>());
    }

    [Fact]
    public async Task A_section_of_the_configuration_describes_a_model()
    {
        using var host = Host(builder =>
        {
            builder.Configuration.AddInMemoryCollection(
                new Dictionary<string, string?>
                {
                    ["Models:Photos:Run"] = run.Path,
                    ["Models:Photos:Compiled"] = "true",
                    ["Models:Photos:Precision"] = "Bf16",
                    ["Models:Photos:Concurrency"] = "3",
                    ["Models:Photos:Top"] = "1",
                }
            );
            builder.Services.AddTessera("photos", builder.Configuration.GetSection("Models:Photos"));
        });
        await host.StartAsync();
        var predictor = host.Services.GetRequiredKeyedService<Predictor>("photos");
        Assert.Equal((3, true), (predictor.Concurrency, predictor.IsCompiled));
        Assert.Single(predictor.Predict(run.TestPhotos[0].File).Classes);
        var options = host.Services.GetRequiredService<IOptionsMonitor<PredictorOptions>>().Get("photos");
        Assert.Equal((true, Precision.Bf16), (options.Compiled, options.Precision));
    }

    [Fact]
    public async Task A_host_with_options_that_cannot_be_meant_does_not_start()
    {
        using var host = Host(builder =>
            builder
                .Services.AddTessera(options => options.Run = "/nowhere")
                .AddTessera("flowers", options => (options.Run, options.Threads) = (run.Path, 0))
        );
        var error = await Assert.ThrowsAnyAsync<Exception>(() => host.StartAsync());
        var failures = error is AggregateException all
            ? all.InnerExceptions.Cast<OptionsValidationException>().SelectMany(one => one.Failures)
            : ((OptionsValidationException)error).Failures;
        Assert.Equal(
            ["Tessera model 'flowers': Threads must be at least 1, not 0", "Tessera: /nowhere: there is no such folder of a run or bundle"],
            failures.Order(StringComparer.Ordinal)
        );
    }

    [Fact]
    public async Task A_name_that_no_option_has_is_refused()
    {
        using var host = Host(builder =>
        {
            builder.Configuration.AddInMemoryCollection([new("Tessera:Run", run.Path), new("Tessera:Compield", "true")]);
            builder.Services.AddTessera(builder.Configuration.GetSection("Tessera"));
        });
        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => host.StartAsync());
        Assert.Contains("Compield", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Health_is_that_of_the_model()
    {
        var services = new ServiceCollection();
        services.AddLogging();
        services.AddTessera(options => options.Run = run.Path);
        services.AddHealthChecks().AddCheck<PredictorHealthCheck>("tessera");
        await using var provider = services.BuildServiceProvider();
        var checks = provider.GetRequiredService<HealthCheckService>();
        var report = await checks.CheckHealthAsync();
        Assert.Equal(HealthStatus.Healthy, report.Status);
        Assert.Equal("cct_2_3x2_32 answers", report.Entries["tessera"].Description);
        var predictor = provider.GetRequiredService<Predictor>();
        predictor.Dispose();
        Assert.Equal(HealthStatus.Unhealthy, (await checks.CheckHealthAsync()).Status);
    }

    [Fact]
    public async Task A_model_whose_answers_are_no_numbers_is_not_healthy()
    {
        var bundle = Training.Bundles.ModelBundle.Load(run.Path);
        using (Torch.NoGrad())
        using (new Scope())
            Nn.Init.Constant(bundle.Model.Parameters().Last(), double.NaN);
        using var predictor = Predictor.FromBundle(bundle);
        var context = new HealthCheckContext
        {
            Registration = new("tessera", new PredictorHealthCheck(predictor), HealthStatus.Degraded, null),
        };
        var result = await new PredictorHealthCheck(predictor).CheckHealthAsync(context);
        Assert.Equal((HealthStatus.Degraded, "cct_2_3x2_32: the logits are not finite"), (result.Status, result.Description));
    }
}
