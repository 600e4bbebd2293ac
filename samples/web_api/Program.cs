// A web service that classifies images:
//   dotnet run --project samples/web_api -- --Tessera:Run=RUN --urls=http://localhost:5000
//   curl --data-binary @photo.jpg http://localhost:5000/classify
using Tessera.Data;
using Tessera.Hosting;

var builder = WebApplication.CreateBuilder(args);
builder.Services.AddTessera(builder.Configuration.GetSection("Tessera"));
builder.Services.AddHealthChecks().AddCheck<PredictorHealthCheck>("model");

var app = builder.Build();
app.MapHealthChecks("/health");
app.MapPost("/classify", async (HttpRequest request, Predictor predictor, CancellationToken cancellation) =>
{
    try
    {
        var image = await ImageInput.ReadAsync(request.Body, limit: 20 << 20, cancellation);
        var prediction = await predictor.PredictAsync(image, cancellation);
        return Results.Ok(prediction.Classes.Select(one => new { one.Class, one.Probability }));
    }
    catch (DataException error)
    {
        return Results.Problem(error.Message, statusCode: StatusCodes.Status400BadRequest);
    }
    catch (PredictorBusyException error)
    {
        return Results.Problem(error.Message, statusCode: StatusCodes.Status503ServiceUnavailable);
    }
});
await app.RunAsync();
